// WHIP, RFC 9725: one offer, one answer, and DELETE at the end. No UI, no reconnection.

import { iceServers, policy } from "./ice_servers.js";
import { LineRate } from "./line_rate.js";

/** Bit/s the speaker's browser sends: speech in full band, with room for in-band error correction. */
const BITRATE = 48_000;
/** The same for original sound, where the browser changes nothing: music, or a good microphone with headphones. */
const ORIGINAL_BITRATE = 96_000;
/** Candidates are gathered this long before the offer goes out; on a server with one UDP port more adds nothing. */
const GATHER_MS = 500;

/** A network that is there answers within this time, ms: then an offer is worth making. */
const PROBE = 1000;

/**
 * Whether there is a way to the studio at all, whatever it answers. A request that a black-out swallowed would
 * be repeated by the kernel ever more seldom; this one is not waited for.
 * @param {string} url of WHIP @returns {Promise<boolean>}
 */
export async function reachable(url) {
  const answer = await fetch(new URL("/healthz", url.startsWith("/") ? location.href : url), {
    mode: "no-cors", cache: "no-store", signal: AbortSignal.timeout(PROBE),
  }).catch(() => null);
  return answer !== null;
}

/** The studio said no. */
export class WhipRefused extends Error {
  /** @param {number} status @param {string} reason @param {number} retryAfter seconds, 0 when not said @param {string} [state] what the room or the seat is */
  constructor(status, reason, retryAfter, state = "") {
    super(reason);
    this.status = status;
    this.retryAfter = retryAfter;
    this.state = state;
  }
}

/**
 * Sets what the other side's Opus decoder asks for, which is what this browser's encoder then does:
 * mono, no gaps in silence, in-band error correction (RFC 7587 section 6.1). Pure.
 *
 * Original sound is asked for as stereo: only then do browsers encode for audio instead of for speech, whose
 * encoder cuts what is low and turns its phase. Two equal channels cost next to nothing.
 * @param {string} sdp
 * @param {boolean} original whether the sound is to stay as it is
 * @returns {string} the same description, its other lines untouched
 */
export function tuneOpus(sdp, original = false) {
  const type = /^a=rtpmap:(\d+) opus\/48000/im.exec(sdp)?.[1];
  if (!type) return sdp;
  const wanted = { useinbandfec: "1", usedtx: "0", stereo: original ? "1" : "0", "sprop-stereo": "0", maxaveragebitrate: String(original ? ORIGINAL_BITRATE : BITRATE) };
  const line = new RegExp(`^a=fmtp:${type} (.*?)(\\r?)$`, "im");
  const found = line.exec(sdp);
  const has = Object.fromEntries((found?.[1] ?? "").split(";").map((pair) => pair.trim().split("=")).filter(([name]) => name));
  const fmtp = `a=fmtp:${type} ${Object.entries({ ...has, ...wanted }).map(([name, value]) => `${name}=${value}`).join(";")}`;
  if (found) return sdp.replace(line, `${fmtp}$2`);
  return sdp.replace(new RegExp(`^(a=rtpmap:${type} [^\\r\\n]*)(\\r?\\n)`, "im"), `$1$2${fmtp}$2`);
}

/** Whether the browser leaves this microphone's sound alone. @param {MediaStreamTrack} track */
function isOriginal(track) {
  const { echoCancellation, noiseSuppression, autoGainControl } = track.getSettings();
  return echoCancellation === false && noiseSuppression === false && autoGainControl === false;
}

export class WhipSession {
  /**
   * @param {string} url @param {string} ticket
   * @param {{sound: (stream: MediaStream) => void, state: (state: RTCPeerConnectionState) => void}} listener
   * @param {string} [device] a number by chance that this browser goes by
   */
  constructor(url, ticket, listener, device = "") {
    this._url = url;
    this._ticket = ticket;
    this._device = device;
    this._listener = listener;
    this._location = "";
    this._etag = "";
    this._closed = false;
    /** The studio took us: what is missing then is a connection. */
    this.answered = false;
    this.peer = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceTransportPolicy: policy() });
    this._rate = new LineRate(BITRATE);
    this._reported = 0;
    this.peer.addEventListener("track", ({ track, streams }) => {
      // What the stage sends is already buffered there; here as little as the network allows.
      listener.sound(streams[0] ?? new MediaStream([track]));
    });
    this.peer.addEventListener("connectionstatechange", () => {
      if (!this._closed) listener.state(this.peer.connectionState);
    });
  }

  /**
   * @param {MediaStreamTrack} track the microphone
   * @throws {WhipRefused} when the studio says no
   */
  async open(track) {
    const relays = await iceServers(this._url, this._ticket);
    if (this._closed) return;
    if (relays.length) this.peer.setConfiguration({ ...this.peer.getConfiguration(), iceServers: relays });
    if (isOriginal(track)) this._rate = new LineRate(ORIGINAL_BITRATE);
    this._sender = this.peer.addTransceiver(track, { direction: "sendrecv", streams: [new MediaStream([track])] }).sender;
    await this.peer.setLocalDescription();
    await this._gathered();
    const answer = await fetch(this._url, {
      method: "POST",
      headers: {
        "Content-Type": "application/sdp", Authorization: `Bearer ${this._ticket}`,
        ...(this._device ? { "Hustings-Device": this._device } : {}),
      },
      body: this.peer.localDescription?.sdp ?? "",
      signal: AbortSignal.timeout(8000),
    });
    if (answer.status !== 201) throw await refusal(answer);
    this.answered = true;
    const place = answer.headers.get("Location");
    this._etag = answer.headers.get("ETag") ?? "";
    this._location = place ? new URL(place, answer.url).href : "";
    const sdp = tuneOpus(await answer.text(), isOriginal(this._sender.track ?? track));
    // Left in the meantime: the seat must not stay taken.
    if (this._closed) return this._delete();
    await this.peer.setRemoteDescription({ type: "answer", sdp });
  }

  get state() {
    return this.peer.connectionState;
  }

  /** @param {MediaStreamTrack} track another microphone, without a new session */
  async replace(track) {
    await this._sender?.replaceTrack(track);
  }

  /**
   * What the stage says of this session: "gone" when it knows nothing of it, because it was restarted, "replaced"
   * when another has the seat. An empty trickle fragment is the question (RFC 9725 4.3.1).
   * @returns {Promise<"" | "gone" | "replaced">} "" when all is well or nobody answers
   */
  async fate() {
    if (!this._location) return "";
    const answer = await fetch(this._location, {
      method: "PATCH",
      headers: { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": this._etag, Authorization: `Bearer ${this._ticket}` },
      body: "a=end-of-candidates\r\n",
      signal: AbortSignal.timeout(2000),
    }).catch(() => null);
    return answer?.status === 404 ? "gone" : answer?.status === 410 ? "replaced" : "";
  }

  /** Ends it here only: another session has taken the seat. */
  abandon() {
    this._location = "";
    this.close();
  }

  /** Ends it here at once and tells the stage, also while the page goes away. */
  close() {
    if (this._closed) return;
    this._closed = true;
    this.peer.close();
    this._delete();
  }

  /** @returns {Promise<{received: number, rtt: number | null, loss: number | null}>} packets so far, seconds, share 0..1 */
  async measure() {
    const figures = { received: 0, rtt: /** @type {number | null} */ (null), loss: /** @type {number | null} */ (null) };
    (await this.peer.getStats()).forEach((report) => {
      if (report.type === "inbound-rtp" && report.kind === "audio") figures.received = report.packetsReceived ?? 0;
      if (report.type === "remote-inbound-rtp") {
        figures.rtt = report.roundTripTime ?? figures.rtt;
        figures.loss = report.fractionLost ?? figures.loss;
        this._follow(report);
      }
      if (report.type === "candidate-pair" && report.nominated) figures.rtt ??= report.currentRoundTripTime ?? null;
    });
    return figures;
  }

  /**
   * What the stage says of our sound, about once a second: fewer bits where the line is full. Opus' error
   * correction follows the loss by itself, in the browser.
   * @param {any} report remote-inbound-rtp
   */
  _follow(report) {
    const reports = report.roundTripTimeMeasurements ?? report.timestamp;
    if (reports === this._reported) return;
    this._reported = reports;
    if (this._rate.take(report.fractionLost ?? 0, report.roundTripTime ?? null, performance.now() / 1000)) void this._spend();
  }

  async _spend() {
    const parameters = this._sender?.getParameters();
    // Firefox knows no encodings of a sender before it has sent.
    if (!this._sender || !parameters?.encodings?.length) return;
    parameters.encodings[0].maxBitrate = this._rate.bitrate;
    await this._sender.setParameters(parameters).catch(() => undefined);
  }

  _delete() {
    if (!this._location) return;
    void fetch(this._location, {
      method: "DELETE", keepalive: true, headers: { Authorization: `Bearer ${this._ticket}` },
    }).catch(() => undefined);
    this._location = "";
  }

  _gathered() {
    return new Promise((/** @type {(value: void) => void} */ resolve) => {
      const done = () => this.peer.iceGatheringState === "complete" && resolve();
      this.peer.addEventListener("icegatheringstatechange", done);
      setTimeout(resolve, GATHER_MS);
      done();
    });
  }
}

/** @param {Response} answer */
async function refusal(answer) {
  let reason = String(answer.status);
  let state = "";
  try {
    const body = await answer.json();
    state = String(body.state ?? "");
    reason = [body.title, body.detail].filter(Boolean).join(": ") || reason;
  } catch {
    // Not a problem document; the number has to do.
  }
  return new WhipRefused(answer.status, reason, Number(answer.headers.get("Retry-After")) || 0, state);
}
