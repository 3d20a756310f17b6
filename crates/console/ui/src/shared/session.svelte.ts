/** Who is signed in on a page. The access token stays in memory, the refresh token in the tab's own storage: no cookie, nothing on disk. */

import { deleteMe, getMe, getMfa, isProblem, ProblemError, Shop, type Permission, type Session, type UserView } from "holdfast-client";
import { ask, tell } from "./ask";
import { PERMISSIONS } from "./permissions";

/** How long a tab that renewed the session keeps others from it, until they have heard of the new one. */
const TELLING = 200;
/** How long a tab waits for its turn to renew the session. */
const WAITING = 10_000;
/** Sessions of before that a tab can say what became of. */
const REMEMBERED = 100;
/** How long until a shop that did not answer is asked again, in milliseconds. */
const RETRY = 3_000;

function restored(key: string): Session | undefined {
  const refreshToken = sessionStorage.getItem(key);
  return refreshToken === null ? undefined : { accessToken: "", refreshToken, expiresAt: 0, permissions: [], ownProductsOnly: false };
}

/** What a session has become; or the question, where there is no session in it. */
interface Renewed {
  before: string;
  session?: Session;
}

/** Browsers have locks on pages that came over https or from this machine. A tab that hangs does not hold the others up for good. */
async function oneAtATime(key: string, renew: () => Promise<void>): Promise<void> {
  if (!("locks" in navigator)) return renew();
  let isMine = false;
  await new Promise<void>((resolve, reject) => {
    const turn = async () => {
      isMine = true;
      await renew().then(resolve, reject);
      await new Promise((resolve) => setTimeout(resolve, TELLING));
    };
    navigator.locks.request(key, { signal: AbortSignal.timeout(WAITING) }, turn).catch((error: unknown) => {
      if (isMine) reject(error as Error);
      else renew().then(resolve, reject);
    });
  });
}

export class Signed {
  /** `undefined` before it is known, `null` when nobody is. */
  user: UserView | null | undefined = $state.raw();
  /** What they may do for others than themselves. */
  permissions: readonly Permission[] = $state.raw([]);
  /** Whether products and stock are only their own. */
  ownProductsOnly = $state(false);
  /** Whether the password was right, and a code is wanted as well. */
  owesCode = $state(false);
  /** Whether the role permits nothing until there is a second factor. */
  mfaSetupRequired = $state(false);
  #mfaToken: string | undefined;
  #owedBy = "";
  readonly shop: Shop;

  /** Refresh tokens that this tab has had. */
  readonly #past: string[] = [];
  readonly #others: BroadcastChannel;

  /**
   * `key` is where the tab keeps the refresh token. A tab that is duplicated, or shown again after a while, has one that another tab
   * has renewed since: each tells the others what it has become, and is asked by those that begin.
   */
  constructor(key: string) {
    this.#others = new BroadcastChannel(key);
    this.#others.addEventListener("message", ({ data: { before, session } }: MessageEvent<Renewed>) => {
      const mine = this.shop.session;
      if (session === undefined && mine !== undefined && this.#past.includes(before)) this.#others.postMessage({ before, session: mine } satisfies Renewed);
      if (session === undefined || before !== mine?.refreshToken) return;
      this.#remember(before);
      this.shop.adopt(session);
      this.#stand(session);
      sessionStorage.setItem(key, session.refreshToken);
    });
    this.shop = new Shop({
      baseUrl: location.origin,
      session: restored(key),
      exclusively: (renew) => oneAtATime(key, renew),
      onSession: (session) => {
        const before = sessionStorage.getItem(key);
        if (session === undefined) sessionStorage.removeItem(key);
        else sessionStorage.setItem(key, session.refreshToken);
        if (session !== undefined && before !== null) {
          this.#remember(before);
          this.#others.postMessage({ before, session } satisfies Renewed);
        }
        if (session === undefined) this.user = null;
        this.#stand(session);
      },
    });
  }

  #stand(session: Session | undefined): void {
    this.permissions = session?.permissions ?? [];
    this.ownProductsOnly = session?.ownProductsOnly ?? false;
  }

  #remember(token: string): void {
    this.#past.push(token);
    if (this.#past.length > REMEMBERED) this.#past.shift();
  }

  /** Hears from other tabs what became of the session that this one began with, if they know. */
  async #hear(): Promise<void> {
    const before = this.shop.session?.refreshToken;
    if (before === undefined) return;
    this.#others.postMessage({ before } satisfies Renewed);
    await new Promise((resolve) => setTimeout(resolve, TELLING));
  }

  get client() {
    return this.shop.client;
  }

  may(permission: Permission): boolean {
    return this.permissions.includes(permission);
  }

  get mayAll(): boolean {
    return PERMISSIONS.every((permission) => this.may(permission));
  }

  /** Goes on with the session of before, if it is still one. */
  async resume(): Promise<void> {
    await this.#hear();
    if (this.shop.session === undefined) this.user = null;
    else {
      this.user = await ask(getMe({ client: this.client })).catch((error: unknown) => {
        if (error instanceof ProblemError && error.status === 401) return null;
        // A shop that is away has not said that the session is over.
        setTimeout(() => void this.resume(), RETRY);
        return undefined;
      });
    }
  }

  /** With a code, where the password was not enough: `owesCode` says so. */
  async signIn(username: string, password: string, code: string): Promise<void> {
    // Somebody else may sit here now.
    if (this.#owedBy !== `${username}\n${password}`) this.#owe(undefined);
    this.#owedBy = `${username}\n${password}`;
    try {
      const session = this.#mfaToken === undefined ? await this.shop.signIn(username, password) : await this.shop.signInWithCode(this.#mfaToken, code);
      this.#owe(undefined);
      this.mfaSetupRequired = session.mfaSetupRequired === true;
      this.user = session.user;
    } catch (error) {
      const problem = error instanceof ProblemError ? error.problem : undefined;
      if (isProblem(problem, "mfa-required")) return this.#owe(problem.mfaToken);
      if (isProblem(problem, "invalid-token")) this.#owe(undefined);
      throw error;
    }
  }

  #owe(token: string | undefined): void {
    this.#mfaToken = token;
    this.owesCode = token !== undefined;
  }

  /** Learns whether it is a second factor that is owed, where nothing is permitted. */
  async learnMfa(): Promise<void> {
    if (this.user?.username === undefined || this.permissions.length > 0) return;
    const mfa = await ask(getMfa({ client: this.client })).catch(() => undefined);
    this.mfaSetupRequired = mfa?.required === true;
  }

  /** Begins again with what one may do now. */
  async renew(): Promise<void> {
    const session = await this.shop.renew();
    this.mfaSetupRequired = session?.mfaSetupRequired === true;
    if (session !== undefined) this.user = session.user;
  }

  /** Whoever has not said who they are buys as a guest. */
  async beSomebody(): Promise<void> {
    if (this.shop.session === undefined) this.user = (await this.shop.beAGuest()).user;
  }

  /** Erases a guest, and what their orders say about them. */
  async forgetMe(): Promise<void> {
    await tell(deleteMe({ client: this.client, body: { password: "" } }));
    await this.signOut();
  }

  async signOut(): Promise<void> {
    await this.shop.signOut().catch(() => undefined);
    this.user = null;
  }
}
