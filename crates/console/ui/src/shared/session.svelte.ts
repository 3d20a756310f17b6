/** Who is signed in on a page. The access token stays in memory, the refresh token in the tab's own storage: no cookie, nothing on disk. */

import { deleteMe, getMe, ProblemError, Shop, type Session, type UserView } from "holdfast-client";
import { ask, tell } from "./ask";

/** How long a tab that renewed the session keeps others from it, until they have heard of the new one. */
const TELLING = 200;
/** How long until a shop that did not answer is asked again, in milliseconds. */
const RETRY = 3_000;

function restored(key: string): Session | undefined {
  const refreshToken = sessionStorage.getItem(key);
  return refreshToken === null ? undefined : { accessToken: "", refreshToken, expiresAt: 0 };
}

/** What a session has become. */
interface Renewed {
  before: string;
  session: Session;
}

/** Browsers have locks on pages that came over https or from this machine. */
async function oneAtATime(key: string, renew: () => Promise<void>): Promise<void> {
  if (!("locks" in navigator)) return renew();
  await new Promise<void>((resolve, reject) => {
    const turn = async () => {
      await renew().then(resolve, reject);
      await new Promise((resolve) => setTimeout(resolve, TELLING));
    };
    navigator.locks.request(key, turn).catch(reject);
  });
}

export class Signed {
  /** `undefined` before it is known, `null` when nobody is. */
  user: UserView | null | undefined = $state.raw();
  readonly shop: Shop;

  /** `key` is where the tab keeps the refresh token. A tab that is duplicated has the same: each tells the others what it has become. */
  constructor(key: string) {
    const others = new BroadcastChannel(key);
    others.addEventListener("message", ({ data }: MessageEvent<Renewed>) => {
      if (data.before !== this.shop.session?.refreshToken) return;
      this.shop.adopt(data.session);
      sessionStorage.setItem(key, data.session.refreshToken);
    });
    this.shop = new Shop({
      baseUrl: location.origin,
      session: restored(key),
      exclusively: (renew) => oneAtATime(key, renew),
      onSession: (session) => {
        const before = sessionStorage.getItem(key);
        if (session === undefined) sessionStorage.removeItem(key);
        else sessionStorage.setItem(key, session.refreshToken);
        if (session !== undefined && before !== null) others.postMessage({ before, session } satisfies Renewed);
        if (session === undefined) this.user = null;
      },
    });
  }

  get client() {
    return this.shop.client;
  }

  get isAdmin(): boolean {
    return this.user?.role === "admin";
  }

  /** Goes on with the session of before, if it is still one. */
  async resume(): Promise<void> {
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

  async signIn(username: string, password: string): Promise<void> {
    this.user = (await this.shop.signIn(username, password)).user;
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
