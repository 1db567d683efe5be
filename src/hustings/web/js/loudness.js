// How loud the sound is that is heard now, where the browser lets us look on without touching it.

/** dBFS that shows as nothing, and as everything. */
const QUIETEST = -50;
const LOUDEST = -12;

/**
 * Calls back ten times a second with 0..1 while the element plays.
 * @param {HTMLAudioElement} audio @param {(level: number) => void} heard
 * @returns {() => void} ends it
 */
export function watchLoudness(audio, heard) {
  // captureStream copies the sound; createMediaElementSource would take it over, and iPhones then fall silent.
  const capture = /** @type {any} */ (audio).captureStream;
  if (!capture || !("AudioContext" in window)) return () => undefined;
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 2048 });
  const samples = new Float32Array(analyser.fftSize);
  /** @type {MediaStream} */
  const stream = capture.call(audio);
  /** @type {MediaStreamTrack | null} */
  let listened = null;
  const timer = setInterval(() => {
    const track = stream.getAudioTracks().at(-1) ?? null;
    if (track && track !== listened) {
      listened = track;
      context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    }
    if (!listened || document.hidden) return;
    heard(loudness(analyser, samples));
  }, 100);
  return () => {
    clearInterval(timer);
    void context.close();
  };
}

/**
 * The same for a sound that comes by WebRTC.
 * @param {MediaStream} stream @param {(level: number) => void} heard
 * @returns {() => void} ends it
 */
export function watchStream(stream, heard) {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 2048 });
  const samples = new Float32Array(analyser.fftSize);
  context.createMediaStreamSource(stream).connect(analyser);
  const timer = setInterval(() => {
    if (document.hidden || context.state !== "running") return;
    heard(loudness(analyser, samples));
  }, 100);
  return () => {
    clearInterval(timer);
    void context.close();
  };
}

/** @param {AnalyserNode} analyser @param {Float32Array<ArrayBuffer>} samples @returns {number} 0..1 */
function loudness(analyser, samples) {
  analyser.getFloatTimeDomainData(samples);
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const db = 10 * Math.log10(sum / samples.length + 1e-12);
  return Math.max(0, Math.min(1, (db - QUIETEST) / (LOUDEST - QUIETEST)));
}
