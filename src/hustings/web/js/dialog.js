// One dialog, one question after another.

/** What was asked last in a dialog, once it is answered. @type {WeakMap<HTMLDialogElement, Promise<string>>} */
const answers = new WeakMap();

/**
 * Asks with a dialog. A dialog is closed a moment before it says so: the "close" of one question must not be
 * taken for the answer to the next, which therefore waits for it.
 * @param {HTMLDialogElement} dialog @param {() => void} fill puts the question in, before it is shown
 * @param {() => void} [shown] called when it is
 * @returns {Promise<string>} the value of the button; "" when it was closed, or is open with another question
 */
export async function answerOf(dialog, fill, shown) {
  if (dialog.open) return "";
  await answers.get(dialog);
  if (dialog.open) return ""; // another question waited, too, and was first
  fill();
  dialog.returnValue = "";
  dialog.showModal();
  shown?.();
  const answer = /** @type {Promise<string>} */ (new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  }));
  answers.set(dialog, answer);
  return answer;
}
