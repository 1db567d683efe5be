// The lobby's page: waits, asks at the moments the server names, does the effort test, goes in. It stands in the
// page itself (edge/lobby_page.py), so it imports nothing.
(() => {
  const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
  const told = JSON.parse(document.body.dataset.lobby ?? "{}");
  /** @type {Record<string, string>} */
  const texts = told.texts;
  const lang = document.documentElement.lang;
  let failures = 0;

  /** @param {string} id @param {string} name @param {Record<string, string | number>} [places] */
  function say(id, name, places = {}) {
    const text = name && texts[name].replace(/\{(\w+)\}/g, (whole, key) => String(places[key] ?? whole));
    if (byId(id).textContent !== text) byId(id).textContent = text;
  }

  /** @param {any} now what the server said last */
  function sayAhead(now) {
    if (!Number.isInteger(now.ahead)) say("ahead", "unknown");
    else if (now.ahead === 0) say("ahead", "first");
    else say("ahead", now.ahead === 1 ? "ahead_one" : "ahead_other", { n: now.ahead.toLocaleString(lang) });
  }

  /** Loading the page again keeps the place. @param {string} place */
  function inAddress(place) {
    const here = new URL(location.href);
    here.searchParams.set("place", place);
    return here;
  }

  /** @param {object} sum @returns {Promise<string>} */
  function solve(sum) {
    return new Promise((resolve) => {
      try {
        const source = URL.createObjectURL(new Blob([byId("work").textContent ?? ""], { type: "text/javascript" }));
        const worker = new Worker(source);
        worker.onmessage = ({ data }) => {
          worker.terminate();
          URL.revokeObjectURL(source);
          resolve(String(data));
        };
        worker.onerror = () => resolve("");
        worker.postMessage(sum);
      } catch {
        resolve("");
      }
    });
  }

  /** @param {string} place @param {string} effort */
  async function ask(place, effort) {
    say("next", "asking");
    try {
      const query = new URLSearchParams({ door: "page", place, effort });
      const answer = await fetch(`/lobby?${query}`, { cache: "no-store", signal: AbortSignal.timeout(15_000) });
      const now = await answer.json();
      if (!now.in && !(now.wait > 0)) throw new Error("no answer");
      failures = 0;
      if (effort) say("test", "tested");
      wait({ ...now, place: now.place || place });
    } catch {
      // Nobody there: twice as long each time, and for everybody another moment.
      failures += 1;
      count(Math.min(30, 2 ** failures) * (0.5 + Math.random()), "lost", () => ask(place, effort));
    }
  }

  /** @param {number} seconds @param {string} name @param {() => void} then */
  function count(seconds, name, then) {
    const end = Date.now() + seconds * 1000;
    const tick = () => {
      const left = (end - Date.now()) / 1000;
      if (left <= 0) return then();
      say("next", name, { seconds: Math.ceil(left) });
      setTimeout(tick, Math.min(left * 1000, 250));
    };
    tick();
  }

  /** @param {any} now */
  function wait(now) {
    const address = inAddress(now.place);
    if (now.in) {
      say("ahead", "turn");
      say("next", "");
      return location.replace(address);
    }
    history.replaceState(null, "", address);
    if (!now.effort) {
      sayAhead(now);
      return count(now.wait, "next", () => ask(now.place, ""));
    }
    say("test", "test");
    const begun = Date.now();
    void solve(now.effort).then((effort) => {
      if (effort) return count(Math.max(0, 0.8 - (Date.now() - begun) / 1000), "next", () => ask(now.place, effort));
      say("test", "");
      return count(now.wait, "next", () => ask(now.place, ""));
    });
  }

  wait(told);
})();
