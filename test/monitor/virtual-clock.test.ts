/** The virtual clock: order, stalls, and chains of timers. */
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../monitor/virtual-clock.ts';

describe('the virtual clock', () => {
  it('fires timers by time and then by insertion, at their own time', async () => {
    const clock = new VirtualClock();
    const fired: string[] = [];
    for (const [name, at] of Object.entries({ c: 30, a: 10, b: 20, d: 30 }))
      clock.schedule(at, () => fired.push(`${name}@${clock.now()}`));
    expect(clock.next()).toBe(10);
    await clock.advanceTo(30);
    expect(fired).toEqual(['a@10', 'b@20', 'c@30', 'd@30']);
    expect(clock.next()).toBeNull();
  });

  it('follows a chain of timers and promises step by step', async () => {
    const clock = new VirtualClock();
    const at: number[] = [];
    const hop = (left: number): void => {
      at.push(clock.now());
      if (left > 0) void Promise.resolve().then(() => clock.schedule(clock.now() + 100, () => hop(left - 1)));
    };
    hop(3);
    await clock.advanceTo(300);
    expect(at).toEqual([0, 100, 200, 300]);
  });

  it('does not fire what was cancelled', async () => {
    const clock = new VirtualClock();
    let fired = 0;
    const cancel = clock.schedule(10, () => {
      fired += 1;
    });
    clock.schedule(5, cancel);
    await clock.advanceTo(20);
    expect(fired).toBe(0);
  });

  it('fires late after a stall, and never goes back', async () => {
    const clock = new VirtualClock(0, 1_700_000_000_000);
    const at: number[] = [];
    clock.schedule(10, () => at.push(clock.now()));
    clock.stallTo(50);
    expect(at).toEqual([]);
    await clock.advanceTo(20);
    expect(at).toEqual([50]);
    expect(clock.now()).toBe(50);
    await clock.advance(3e9);
    expect(clock.wall()).toBe(1_700_000_003_000);
  });
});
