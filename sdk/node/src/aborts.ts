/** Who wants to know when a signal is aborted. */

interface Watch {
  readonly deeds: Set<() => void>;
  readonly listener: () => void;
}

const watches = new WeakMap<AbortSignal, Watch>();

/**
 * Does `deed` when `signal` is aborted. Returns what takes it back, which is to be called in either case.
 *
 * However many calls share a signal, it has one listener of ours: from the eleventh on Node warns of a leak, and how
 * many a signal may have is for its owner to say.
 */
export function onAbort(signal: AbortSignal | undefined, deed: () => void): () => void {
  if (!signal) return () => {};
  const watch = watches.get(signal) ?? begun(signal);
  watch.deeds.add(deed);
  return () => {
    if (!watch.deeds.delete(deed) || watch.deeds.size > 0) return;
    signal.removeEventListener('abort', watch.listener);
    watches.delete(signal);
  };
}

function begun(signal: AbortSignal): Watch {
  const deeds = new Set<() => void>();
  const watch = { deeds, listener: () => deeds.forEach((deed) => deed()) };
  signal.addEventListener('abort', watch.listener, { once: true });
  watches.set(signal, watch);
  return watch;
}
