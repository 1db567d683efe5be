// A clip's page: copy what is to be passed on, show how far it is. Everything else is there without this script.

import { Strings } from "./strings.js";
import "./times.js";

const SVG = "http://www.w3.org/2000/svg";

/** @template {Element} T @param {string} id @returns {T} */
const part = (id) => /** @type {T} */ (/** @type {unknown} */ (document.getElementById(id)));

/** The bars that were heard have another colour. */
function follow() {
  const audio = /** @type {HTMLAudioElement} */ (part("audio"));
  const wave = /** @type {SVGSVGElement} */ (part("wave"));
  const bars = wave.querySelector("path");
  if (!bars) return;
  const heard = /** @type {SVGPathElement} */ (bars.cloneNode());
  heard.setAttribute("class", "heard");
  const clip = document.createElementNS(SVG, "clipPath");
  const window_ = document.createElementNS(SVG, "rect");
  clip.id = "heard";
  window_.setAttribute("height", "60");
  clip.append(window_);
  heard.setAttribute("clip-path", "url(#heard)");
  wave.append(clip, heard);
  const show = () => {
    const share = audio.duration ? audio.currentTime / audio.duration : 0;
    window_.setAttribute("width", String(share * wave.viewBox.baseVal.width));
    if (!audio.paused) requestAnimationFrame(show);
  };
  for (const kind of ["play", "seeked", "timeupdate", "ended"]) audio.addEventListener(kind, show);
  show();
}

/** Where the server did not know its own address, the browser does. */
function complete() {
  const link = /** @type {HTMLInputElement} */ (part("link"));
  const embed = /** @type {HTMLTextAreaElement} */ (part("embed"));
  if (!link.value.startsWith("/")) return;
  link.value = location.origin + link.value;
  embed.value = embed.value.replaceAll('="/r/', `="${location.origin}/r/`);
}

/** @param {Strings} strings */
function copying(strings) {
  const tell = part("copied");
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const from = /** @type {HTMLInputElement | HTMLTextAreaElement} */ (part(button.getAttribute("data-copy") ?? ""));
      try {
        await navigator.clipboard.writeText(from.value);
        tell.textContent = strings.t("clip.copied");
      } catch {
        from.focus();
        from.select();
        tell.textContent = strings.t("clip.copy_by_hand");
      }
    });
  }
  part("copying").removeAttribute("hidden");
}

follow();
complete();
void Strings.load().then(copying).then(() => (document.documentElement.dataset.ready = ""));
