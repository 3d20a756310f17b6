/** What is looked at again and again, for as long as somebody looks at the page. */

/** Milliseconds between two looks. */
const EVERY = 3_000;

/** A look that takes longer is not waited for, in milliseconds. */
const PATIENCE = 20_000;

/** Calls `look` every few seconds while the page is shown, and at once when it is shown again. Returns what ends it: for an effect. */
export function live(look: () => Promise<unknown>, every = EVERY): () => void {
  let isOver = false;
  let isLooking = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  // The next look begins when the last one has ended: a slow shop is not asked faster than it answers.
  async function again(): Promise<void> {
    if (isLooking || isOver || document.hidden) return;
    clearTimeout(timer);
    isLooking = true;
    const late = new Promise((resolve) => setTimeout(resolve, PATIENCE));
    await Promise.race([look().catch(() => undefined), late]);
    isLooking = false;
    timer = setTimeout(() => void again(), every);
  }
  const shown = () => void again();
  document.addEventListener("visibilitychange", shown);
  timer = setTimeout(shown, every);
  return () => {
    isOver = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", shown);
  };
}
