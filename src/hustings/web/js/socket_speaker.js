// A speaker's session where the network lets no UDP through: Opus by WebCodecs, each frame an RTP packet in a
// message of one WebSocket (docs/speaker-socket.md). Looks like a WhipSession. No UI, no reconnection.

import { build, levelOf, parse } from "./socket_rtp.js";
import { WhipRefused } from "./whip.js";

const RATE = 48_000;
const FRAME = 960;
/** Bit/s, as with WebRTC; nothing is lost on this way that in-band error correction could bring back. */
const BITRATE = 48_000;
const ORIGINAL_BITRATE = 96_000;
/** The studio has this long to take us, ms. */
const PATIENCE = 8000;
/** Bytes that may wait in the browser, about a second: what is later than that nobody wants to hear. */
const MOST_WAITING = 8000;
/** The studio is told what was received with every so many packets, half a second. */
const PING_EVERY = 25;
/** Without a frame for this long the clock of the sound stood still, and its timestamps have to catch up, ms. */
const STOOD = 500;
/** The seat has another session now. */
const REPLACED = 4410;

/** What of the delay WebRTC does not have: a frame that is collected before it is encoded, s. */
const COLLECTING = 0.02;

/** Whether this browser can speak this way at all. */
export function canUseSocket() {
  return "AudioEncoder" in window && "AudioDecoder" in window && "AudioWorkletNode" in window;
}

/** Whether the browser leaves this microphone's sound alone. @param {MediaStreamTrack} track */
function isOriginal(track) {
  const { echoCancellation, noiseSuppression, autoGainControl } = track.getSettings();
  return echoCancellation === false && noiseSuppression === false && autoGainControl === false;
}

export class SocketSession {
  /**
   * @param {string} url of WHIP @param {string} ticket
   * @param {{sound: (stream: MediaStream) => void, state: (state: RTCPeerConnectionState) => void}} listener
   * @param {string} [device] a number by chance that this browser goes by
   */
  constructor(url, ticket, listener, device = "") {
    this._address = `${url.replace(/^http/, "ws")}/socket`;
    this._ticket = ticket;
    this._device = device;
    this._listener = listener;
    this._closed = false;
    /** @type {RTCPeerConnectionState} */
    this.state = "new";
    /** The studio took us. */
    this.answered = false;
    /** Another session has the seat now. */
    this.replaced = false;
    this._received = this._sent = this._late = 0;
    /** @type {number | null} */
    this._rtt = null;
    this._got = -1;
    this._buffer = { waiting: 0, wanted: 0, stalls: 0, skipped: 0 };
    this._sequence = Math.floor(Math.random() * 0x8000);
    this._timestamp = Math.floor(Math.random() * 2 ** 31);
    this._ssrc = 1 + Math.floor(Math.random() * (2 ** 32 - 2));
    this._samples = 0;
    this._heardAt = 0;
    /** @type {number[]} of the frames in the encoder */
    this._levels = [];
  }

  /**
   * @param {MediaStreamTrack} track the microphone
   * @throws {WhipRefused} when the studio says no
   */
  async open(track) {
    const context = (this._context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" }));
    void context.resume();
    await Promise.race([
      context.audioWorklet.addModule(new URL("./socket_worklet.js", import.meta.url)),
      new Promise((_, reject) => setTimeout(() => reject(new Error("no audio thread")), PATIENCE)),
    ]);
    if (this._closed) return this._free();
    this._prepare(context, isOriginal(track));
    this._source = context.createMediaStreamSource(new MediaStream([track]));
    await this._greet();
    if (this._closed || !this._capture) return;
    this.answered = true;
    this._source.connect(this._capture);
    this._set("connected");
    if (this._out) this._listener.sound(this._out.stream);
  }

  /** @param {MediaStreamTrack} track another microphone, without a new session */
  async replace(track) {
    if (!this._context || !this._capture) return;
    this._source?.disconnect();
    this._source = this._context.createMediaStreamSource(new MediaStream([track]));
    this._source.connect(this._capture);
  }

  /** Ends it here at once; the stage notices by the socket. */
  close() {
    if (this._closed) return;
    this._closed = true;
    this._socket?.close(1000);
    this._free();
  }

  /** @returns {Promise<{received: number, rtt: number | null, loss: number | null, extra: number}>} packets so far, seconds, share 0..1, and how much later than with WebRTC one hears and is heard, s */
  async measure() {
    const loss = this._sent ? this._late / this._sent : 0;
    return { received: this._received, rtt: this._rtt, loss, extra: COLLECTING + this._buffer.wanted / RATE };
  }

  /** Encoder, decoder and the ends in the audio thread. @param {AudioContext} context @param {boolean} original */
  _prepare(context, original) {
    this._encoder = new AudioEncoder({ output: (chunk) => this._send(chunk), error: () => this._fail() });
    this._encoder.configure(/** @type {AudioEncoderConfig} */ ({
      codec: "opus", sampleRate: RATE, numberOfChannels: 1, bitrate: original ? ORIGINAL_BITRATE : BITRATE,
      opus: { frameDuration: 20_000, application: original ? "audio" : "voip", signal: original ? "auto" : "voice", usedtx: false },
    }));
    this._decoder = new AudioDecoder({ output: (data) => this._play(data), error: () => this._fail() });
    this._decoder.configure({ codec: "opus", sampleRate: RATE, numberOfChannels: 1 });
    const one = { numberOfInputs: 1, numberOfOutputs: 0, channelCount: 1, channelCountMode: /** @type {const} */ ("explicit") };
    this._capture = new AudioWorkletNode(context, "hustings-capture", one);
    this._capture.port.onmessage = ({ data }) => this._encode(data);
    this._playout = new AudioWorkletNode(context, "hustings-playout", { numberOfInputs: 0, outputChannelCount: [1] });
    this._playout.port.onmessage = ({ data }) => (this._buffer = data);
    this._out = context.createMediaStreamDestination();
    this._playout.connect(this._out);
  }

  /** Opens the socket and says who comes. @returns {Promise<void>} */
  _greet() {
    const socket = (this._socket = new WebSocket(this._address));
    socket.binaryType = "arraybuffer";
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("no answer")), PATIENCE);
      const end = (/** @type {() => void} */ then) => {
        clearTimeout(timer);
        then();
      };
      socket.addEventListener("open", () => socket.send(JSON.stringify({ ticket: this._ticket, device: this._device })));
      socket.addEventListener("message", ({ data }) => {
        if (typeof data !== "string") return this._receive(data);
        const message = JSON.parse(data);
        if (message.type === "ready") end(resolve);
        else if (message.type === "refused") end(() => reject(refusal(message)));
        else if (message.type === "pong") this._rtt = (performance.now() - message.at) / 1000;
      });
      socket.addEventListener("close", ({ code }) => {
        this.replaced = code === REPLACED;
        end(() => reject(new Error(`closed: ${code}`)));
        this._fail();
      });
    });
  }

  /** @param {Float32Array<ArrayBuffer>} samples 20 ms of the microphone */
  _encode(samples) {
    if (this._closed || this._encoder?.state !== "configured") return;
    const now = performance.now();
    if (this._heardAt && now - this._heardAt > STOOD) {
      this._timestamp += Math.round((now - this._heardAt) * (RATE / 1000)) - FRAME;
    }
    this._heardAt = now;
    this._levels.push(levelOf(samples));
    const data = new AudioData({
      format: "f32", sampleRate: RATE, numberOfChannels: 1, numberOfFrames: samples.length,
      timestamp: Math.round((this._samples * 1e6) / RATE), data: samples,
    });
    this._samples += samples.length;
    this._encoder.encode(data);
    data.close();
  }

  /** @param {EncodedAudioChunk} chunk */
  _send(chunk) {
    if (this._closed || this._socket?.readyState !== WebSocket.OPEN) return;
    const payload = new Uint8Array(chunk.byteLength);
    chunk.copyTo(payload);
    const packet = build({ sequence: this._sequence, timestamp: this._timestamp, ssrc: this._ssrc, level: this._levels.shift() ?? 127, payload });
    this._sequence += 1;
    this._timestamp += FRAME;
    this._sent += 1;
    // The gap in the numbers tells the stage.
    if (this._socket.bufferedAmount > MOST_WAITING) this._late += 1;
    else this._socket.send(packet);
  }

  /** @param {ArrayBuffer} data */
  _receive(data) {
    const packet = parse(data);
    if (!packet || this._closed || this._decoder?.state !== "configured") return;
    this._got = packet.sequence;
    this._received += 1;
    if (this._received % PING_EVERY === 1) this._socket?.send(JSON.stringify({ type: "ping", at: Math.round(performance.now()), got: this._got }));
    this._decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: this._received * 20_000, duration: 20_000, data: packet.payload }));
  }

  /** @param {AudioData} data */
  _play(data) {
    const samples = new Float32Array(data.numberOfFrames);
    data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
    data.close();
    this._playout?.port.postMessage(samples, [samples.buffer]);
  }

  _fail() {
    if (this._closed) return;
    this._closed = true;
    this._socket?.close(1000);
    this._free();
    this._set("closed");
  }

  /** @param {RTCPeerConnectionState} state */
  _set(state) {
    this.state = state;
    this._listener.state(state);
  }

  _free() {
    for (const codec of [this._encoder, this._decoder]) if (codec && codec.state !== "closed") codec.close();
    this._source?.disconnect();
    if (this._context && this._context.state !== "closed") void this._context.close();
  }
}

/** @param {{retry_after?: number, problem: {status: number, title?: string, detail?: string, state?: string}}} message */
function refusal({ retry_after: retryAfter, problem }) {
  const reason = [problem.title, problem.detail].filter(Boolean).join(": ") || String(problem.status);
  return new WhipRefused(problem.status, reason, retryAfter ?? 0, problem.state);
}
