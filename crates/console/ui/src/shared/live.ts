/** What is looked at again and again, for as long as somebody looks at the page. */

/** Milliseconds between two looks. */
const EVERY = 3_000;
/** The same where we are told when there is something to see. */
const SELDOM = 30_000;
/** Between two looks that somebody asks for, in milliseconds: much may happen at once. */
const SOON = 300;

/** A look that takes longer is not waited for, in milliseconds. */
const PATIENCE = 20_000;

/** Tells when there is something to see. */
export interface News {
  /** Whether it would tell by now. */
  readonly isOpen: boolean;
  /** Returns what ends it. */
  on(listener: () => void): () => void;
}

/**
 * Calls `look` every few seconds while the page is shown, and at once when it is shown again; where there is `news`, when it comes, and
 * seldom besides. Returns what ends it: for an effect.
 */
export function live(look: () => Promise<unknown>, every = EVERY, news?: News): () => void {
  let isOver = false;
  let isLooking = false;
  let isNews = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  function next(time: number): void {
    clearTimeout(timer);
    timer = setTimeout(() => void again(), time);
  }
  // The next look begins when the last one has ended: a slow shop is not asked faster than it answers.
  async function again(): Promise<void> {
    if (isLooking || isOver || document.hidden) return;
    clearTimeout(timer);
    [isLooking, isNews] = [true, false];
    const late = new Promise((resolve) => setTimeout(resolve, PATIENCE));
    await Promise.race([look().catch(() => undefined), late]);
    isLooking = false;
    if (!isOver) next(isNews ? SOON : news?.isOpen ? Math.max(every, SELDOM) : every);
  }
  const shown = () => void again();
  document.addEventListener("visibilitychange", shown);
  const end = news?.on(() => {
    if (!isNews && !isLooking) next(SOON);
    isNews = true;
  });
  next(every);
  return () => {
    isOver = true;
    clearTimeout(timer);
    end?.();
    document.removeEventListener("visibilitychange", shown);
  };
}
