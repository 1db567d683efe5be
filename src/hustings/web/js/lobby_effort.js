// The effort test of the audience's door, done in a worker. Loaded only when one is asked for. No UI.

/** @param {object} sum @returns {Promise<string>} the answer; "" when this browser cannot */
export function solve(sum) {
  return new Promise((resolve) => {
    try {
      const worker = new Worker(new URL("lobby_work.js", import.meta.url));
      worker.onmessage = ({ data }) => {
        worker.terminate();
        resolve(String(data));
      };
      worker.onerror = () => resolve("");
      worker.postMessage(sum);
    } catch {
      resolve("");
    }
  });
}
