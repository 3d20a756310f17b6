/** Short news at the foot of the screen: what was done, and how to undo it. */

export interface Notice {
  id: number;
  text: string;
  kind: "done" | "failed";
  undo?: (() => void) | undefined;
}

const SHOWN_FOR = 6000;
let next = 0;

class Notices {
  all: Notice[] = $state.raw([]);

  tell(text: string, undo?: () => void): void {
    this.#add({ id: next++, text, kind: "done", undo });
  }

  fail(text: string): void {
    this.#add({ id: next++, text, kind: "failed" });
  }

  close(id: number): void {
    this.all = this.all.filter((notice) => notice.id !== id);
  }

  #add(notice: Notice): void {
    this.all = [...this.all.slice(-2), notice];
    setTimeout(() => this.close(notice.id), SHOWN_FOR);
  }
}

export const notices = new Notices();
