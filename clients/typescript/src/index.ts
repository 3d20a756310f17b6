/**
 * A client of a Holdfast shop. Every operation of the API is a function of its `operationId` with typed answers and problems,
 * made from the shop's OpenAPI document; {@link Shop} gives them what a program needs around them.
 */
export * from "./generated/index.js";
export { idempotencyKey, Shop, type Session, type ShopOptions } from "./shop.js";
export { isProblem, ProblemError, type ProblemCode, type ProblemOf } from "./problems.js";
export { pages, items } from "./pages.js";
export { follow, type FollowOptions } from "./events.js";
