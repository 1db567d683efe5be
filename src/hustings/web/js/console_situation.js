// Who hears me? One answer at any moment, in words. Pure.

/**
 * @typedef {{status: string, me: import("./console_model.js").Me, seat: import("./seat.js").SeatState,
 *   joined: boolean, left: boolean, mic: boolean, muted: boolean, dead: boolean, only: string}} Facts
 *   `only`: who is talked with off air
 * @typedef {{name: string, heard: string, tone: "" | "good" | "warn", hint: string, only: string}} Situation
 *   `heard` and `hint` are ends of speak.heard.* and speak.hint.*
 */

/** @param {Facts} facts @returns {Situation} */
export function situation(facts) {
  const said = describe(facts);
  return { ...said, only: said.name === "aside" ? facts.only : "" };
}

/** @param {Facts} facts @returns {{name: string, heard: string, tone: "" | "good" | "warn", hint: string}} */
function describe({ status, me, seat, joined, left, mic, muted, dead }) {
  if (dead) return { name: "dead", heard: "nobody", tone: "", hint: "none" };
  if (status === "ended") return { name: "ended", heard: "ended", tone: "", hint: me.conducts ? "ended_host" : "ended" };
  if (status === "cancelled") return { name: "cancelled", heard: "nobody", tone: "", hint: "cancelled" };
  if (joined && seat === "on") return connected(status, me, muted);
  if (joined && seat === "doors") return { name: "doors", heard: "nobody", tone: "", hint: me.conducts ? "doors_host" : "doors" };
  if (joined && seat === "reconnecting") {
    return { name: "reconnecting", heard: "nobody_now", tone: "warn", hint: me.place === "green" ? "reconnecting_green" : "reconnecting" };
  }
  if (joined) return { name: "connecting", heard: "nobody", tone: "", hint: "connecting" };
  if (left) return { name: "left", heard: "nobody_now", tone: "", hint: "left" };
  if (me.invitation === "declined") return { name: "declined", heard: "nobody", tone: "", hint: "declined" };
  if (["offered", "seen"].includes(me.invitation) && !me.conducts) return { name: "invited", heard: "nobody", tone: "", hint: "invited" };
  const ready = me.green_room && !me.conducts && me.seat !== "seated" ? "ready_green" : "ready";
  return { name: mic ? "ready" : "before", heard: "nobody", tone: "", hint: mic ? ready : me.conducts ? "before_host" : "before" };
}

/**
 * @param {string} status @param {import("./console_model.js").Me} me @param {boolean} muted
 * @returns {{name: string, heard: string, tone: "good" | "warn" | "", hint: string}}
 */
function connected(status, me, muted) {
  if (muted && me.muted_by_host) return { name: "muted-by-host", heard: "muted_by_host", tone: "warn", hint: "muted_by_host" };
  if (muted) return { name: "muted", heard: "muted", tone: "warn", hint: me.place === "green" ? "muted_green" : "muted" };
  if (me.aside) return { name: "aside", heard: "aside", tone: "good", hint: me.place === "green" ? "aside_guest" : "aside_host" };
  if (me.place === "green") return { name: "green", heard: "nobody", tone: "", hint: "green" };
  if (status === "paused") return { name: "paused", heard: "stage", tone: "", hint: "paused" };
  if (status === "live") return { name: "heard", heard: "air", tone: "good", hint: "air" };
  return { name: "stage", heard: "stage", tone: "good", hint: "stage" };
}
