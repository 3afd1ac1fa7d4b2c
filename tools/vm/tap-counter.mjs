// Counts what several programs print one after the other in the Test Anything Protocol (testanything.org, version 13).

/** Fed line by line. Indented lines are the inside of a test, and do not count. */
export class TapCounter {
  passed = 0;
  failed = 0;
  skipped = 0;
  /** What is wrong beside tests that failed: a program that ran fewer or more than it said. */
  problems = [];
  #sinceHeader = 0;
  #planned = null;

  line(text) {
    const result = /^(not )?ok\b(.*)/.exec(text);
    const plan = /^1\.\.(\d+)/.exec(text);
    if (result) {
      this.#sinceHeader += 1;
      if (/#\s*skip/i.test(result[2])) this.skipped += 1;
      else if (result[1]) this.failed += 1;
      else this.passed += 1;
    } else if (plan) {
      this.#planned = Number(plan[1]);
    } else if (text.startsWith('TAP version')) {
      this.end();
    }
  }

  /** Says that a program has ended: what it planned must be what it ran. */
  end() {
    if (this.#sinceHeader > 0 && this.#planned !== this.#sinceHeader) {
      this.problems.push(`${this.#planned ?? 'no'} tests were planned, ${this.#sinceHeader} ran`);
    }
    this.#sinceHeader = 0;
    this.#planned = null;
  }
}
