// Everything by key; ? shows them. Never while somebody types.

/** Space is a tap below this and a hold above, ms. */
const TAP = 300;

/**
 * @typedef {{mute: () => void, hold: (down: boolean) => void, next: () => void, record: () => void, hands: () => void, keys: () => void}} Deeds
 */

/** @param {Deeds} deeds @param {HTMLElement} mic the button that mutes: Space on it holds as well */
export function bindKeys(deeds, mic) {
  let down = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (event.key === " ") {
      if (!holds(event.target, mic)) return;
      // On the button: a press would click it on release, which is decided below.
      event.preventDefault();
      if (event.repeat) return;
      down = performance.now();
      deeds.hold(true);
      return;
    }
    if (event.repeat || document.querySelector("dialog[open]")) return;
    const deed = { m: deeds.mute, n: deeds.next, r: deeds.record, h: deeds.hands, "?": deeds.keys }[event.key.toLowerCase()];
    if (!deed) return;
    event.preventDefault();
    deed();
  });
  document.addEventListener("keyup", (event) => {
    if (event.key !== " " || !down) return;
    const tap = performance.now() - down < TAP && event.target === mic;
    down = 0;
    event.preventDefault();
    deeds.hold(false);
    if (tap) deeds.mute();
  });
  // A key that goes up elsewhere goes up all the same.
  window.addEventListener("blur", () => {
    down = 0;
    deeds.hold(false);
  });
}

/** @param {EventTarget | null} target */
function typing(target) {
  return target instanceof HTMLElement && target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;
}

/** Whether Space is free here: it belongs to whatever else can be pressed. @param {EventTarget | null} target @param {HTMLElement} mic */
function holds(target, mic) {
  if (target === mic) return true;
  return target instanceof HTMLElement && !target.closest("button, a, summary, input, dialog");
}
