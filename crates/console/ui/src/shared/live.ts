/** What is looked at again and again, for as long as somebody looks at the page. */

/** Milliseconds between two looks. */
const EVERY = 3_000;

/** Calls `look` every few seconds while the page is shown, and at once when it is shown again. Returns what ends it: for an effect. */
export function live(look: () => Promise<unknown>, every = EVERY): () => void {
  let isOver = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const wait = () => {
    timer = setTimeout(() => void again(), every);
  };
  // The next look begins when the last one has ended: a slow shop is not asked faster than it answers.
  async function again(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    if (!document.hidden) await look().catch(() => undefined);
    if (!isOver && timer === undefined && !document.hidden) wait();
  }
  const shown = () => {
    if (!document.hidden && !isOver) void again();
  };
  document.addEventListener("visibilitychange", shown);
  wait();
  return () => {
    isOver = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", shown);
  };
}
