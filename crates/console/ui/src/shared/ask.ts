/** Requests whose refusals are thrown, for screens that show them. */

import { isProblem, ProblemError } from "holdfast-client";

interface Answer<T> {
  data?: T | undefined;
  error?: unknown;
  response?: Response | undefined;
}

/** What an operation answers with. Throws {@link ProblemError}. */
export async function ask<T>(asked: Promise<Answer<T>>): Promise<NonNullable<T>> {
  const { data, error, response } = await asked;
  if (response?.ok !== true || data === undefined || data === null) throw new ProblemError(error, response?.status ?? 0);
  return data;
}

/** The same where there is nothing to answer. */
export async function tell(asked: Promise<Answer<unknown>>): Promise<void> {
  const { error, response } = await asked;
  if (response?.ok !== true) throw new ProblemError(error, response?.status ?? 0);
}

/**
 * Whether a refusal ends an attempt, so that the next one has a key of its own. Where no answer came, or the shop is still at it, something
 * may come of it yet.
 */
export function isSettled(error: unknown): boolean {
  if (!(error instanceof ProblemError) || isProblem(error.problem, "idempotency-in-progress")) return false;
  return error.status >= 400 && error.status < 500;
}

/** What went wrong, in words for whoever looks at the screen. */
export function reason(error: unknown): string {
  if (error instanceof ProblemError && error.status === 0) return "The shop does not answer. Is it running?";
  if (!(error instanceof Error)) return String(error);
  const problem = error instanceof ProblemError ? error.problem : undefined;
  const { detail, title, retryAfter } = (problem ?? {}) as { detail?: string; title?: string; retryAfter?: number };
  const text = detail ?? title ?? error.message;
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return retryAfter === undefined ? sentence : `${sentence} (again in ${retryAfter} s)`;
}

/** What is wrong with a member of what was sent, by its JSON pointer, such as `#/name`. */
export function faults(error: unknown): Map<string, string> {
  const problem = error instanceof ProblemError ? error.problem : undefined;
  const { errors } = (problem ?? {}) as { errors?: { pointer: string; detail: string }[] };
  return new Map((errors ?? []).map(({ pointer, detail }) => [pointer, detail]));
}
