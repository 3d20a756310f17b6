/** Problems (RFC 9457): each operation's error is a union that `code` tells apart. */

import type * as api from "./generated/types.gen.js";

type ProblemsOf<T> = T extends { code: string; status: number } ? T : never;

/** Every problem that any operation answers with. */
type AnyProblem = ProblemsOf<
  | api.WriteProductsError
  | api.UpdateProductError
  | api.PlaceOrderError
  | api.CancelOrderError
  | api.CreatePaymentError
  | api.CapturePaymentError
  | api.RefundPaymentError
  | api.ListOrdersError
  | api.ListEventsError
  | api.RegisterUserError
  | api.LogInError
  | api.UpdateUserError
  | api.CreateRoleError
  | api.BeginMfaError
  | api.DeleteRoleError
  | api.CreateKeyError
  | api.IsReadyError
>;

/** The codes of these problems, as `/problems` lists them. */
export type ProblemCode = AnyProblem["code"];

/** The problem of that code, with what it says beside `title` and `detail`. */
export type ProblemOf<C extends ProblemCode> = Extract<AnyProblem, { code: C }>;

/** Whether an error is the problem of that code; then its extras are typed. */
export function isProblem<C extends ProblemCode>(error: unknown, code: C): error is ProblemOf<C> {
  return typeof error === "object" && error !== null && (error as { code?: unknown }).code === code;
}

/** Thrown where there is nobody to answer to: while a session is opened or renewed, and by iterations. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";

  constructor(
    /** The problem, or what went wrong before there was an answer. */
    readonly problem: unknown,
    /** The HTTP status; 0 where there was no answer. */
    readonly status: number,
  ) {
    super(messageOf(problem));
  }
}

function messageOf(problem: unknown): string {
  if (problem instanceof Error) return problem.message;
  const { title, detail } = (problem ?? {}) as { title?: string; detail?: string };
  return [title, detail].filter(Boolean).join(": ") || "the shop gave no reason";
}
