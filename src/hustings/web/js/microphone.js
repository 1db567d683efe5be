// The microphone: asked for, chosen, measured. No UI.

/** dBFS range that the meter shows. */
const QUIETEST = -60;
/** Amplitude at the end of the scale, and how many samples there in a row are no chance. */
const FULL = 0.99;
const CLIPPED = 3;

/** @typedef {"insecure" | "old" | "refused" | "missing" | "busy" | "unplugged"} Trouble */

/** What a browser's refusal means for a person. @param {unknown} error @returns {Trouble} */
export function trouble(error) {
  const name = /** @type {any} */ (error)?.name ?? "";
  if (name === "NotAllowedError" || name === "SecurityError") return "refused";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "missing";
  return "busy";
}

/** @returns {Trouble | null} why this page cannot even ask */
export function cannotAsk() {
  if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) return window.isSecureContext ? "old" : "insecure";
  if (!("RTCPeerConnection" in window)) return "old";
  return null;
}

export class Microphone {
  /** @param {{gone: () => void}} listener called when the microphone is unplugged */
  constructor(listener) {
    this._listener = listener;
    /** @type {MediaStreamTrack | null} */
    this.track = null;
    this.settings = { deviceId: "", echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    this._muted = false;
    /** @type {AudioContext | null} */
    this._context = null;
    /** @type {AnalyserNode | null} */
    this._analyser = null;
    /** @type {MediaStreamAudioSourceNode | undefined} */
    this._node = undefined;
    this._samples = new Float32Array(1024);
    this._clipped = false;
    /** @type {Promise<MediaStreamTrack | null>} */
    this._opening = Promise.resolve(null);
  }

  /** The track as it is once nothing is being opened any more; null when there is none. */
  get settled() {
    return this._opening.then(() => this.track, () => this.track);
  }

  /** Asks for the microphone as the settings say, one wish after the other. @throws {DOMException} see trouble() */
  open() {
    const opening = this.settled.then(() => this._open());
    this._opening = opening;
    return opening;
  }

  async _open() {
    const { deviceId, ...processing } = this.settings;
    // As long as a device is open, Chromium gives it out again with the processing that it has already.
    if (this.track && (!deviceId || this.track.getSettings().deviceId === deviceId)) this.close();
    const wish = { ...processing, channelCount: { ideal: 1 }, sampleRate: { ideal: 48000 } };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: deviceId ? { ...wish, deviceId: { exact: deviceId } } : wish });
    } catch (error) {
      // The chosen one may be gone since last time: then any.
      if (!deviceId || /** @type {any} */ (error)?.name !== "OverconstrainedError") throw error;
      this.settings.deviceId = "";
      stream = await navigator.mediaDevices.getUserMedia({ audio: wish });
    }
    this.close();
    const [track] = stream.getAudioTracks();
    this.track = track;
    track.enabled = !this._muted;
    track.addEventListener("ended", () => this.track === track && this._listener.gone());
    this._listen(track);
    return track;
  }

  close() {
    this.track?.stop();
    this.track = null;
    this._node?.disconnect();
    this._node = undefined;
  }

  /** @param {boolean} muted */
  set muted(muted) {
    this._muted = muted;
    if (this.track) this.track.enabled = !muted;
  }

  /** How loud it is now, 0..1 over 60 dB; nothing while muted. */
  get level() {
    this._clipped = false;
    if (!this._analyser || this._context?.state !== "running") return 0;
    this._analyser.getFloatTimeDomainData(/** @type {Float32Array<ArrayBuffer>} */ (this._samples));
    let sum = 0;
    let full = 0;
    for (const sample of this._samples) {
      sum += sample * sample;
      // One sample may touch the end; some in a row were higher than the scale is.
      full = Math.abs(sample) >= FULL ? full + 1 : 0;
      if (full >= CLIPPED) this._clipped = true;
    }
    const db = 10 * Math.log10(sum / this._samples.length + 1e-12);
    return Math.max(0, Math.min(1, 1 - db / QUIETEST));
  }

  /** Whether the sound stood at the end of the scale, in the moment that `level` was asked for: then it is torn. */
  get clipped() {
    return this._clipped;
  }

  /** @param {MediaStreamTrack} track */
  _listen(track) {
    this._context ??= new AudioContext();
    void this._context.resume();
    this._analyser ??= this._context.createAnalyser();
    this._analyser.fftSize = 2048;
    this._samples = new Float32Array(this._analyser.fftSize);
    this._node = this._context.createMediaStreamSource(new MediaStream([track]));
    this._node.connect(this._analyser);
  }
}

/** @param {"audioinput" | "audiooutput"} kind @returns {Promise<MediaDeviceInfo[]>} those with a name of their own */
export async function devices(kind) {
  const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  return all.filter((device) => device.kind === kind && device.deviceId && !["default", "communications"].includes(device.deviceId));
}
