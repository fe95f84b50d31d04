// A typed list of listeners. It keeps no history: who listens late has missed what was.

/** Hears one kind of news. */
export type Listener<News> = (news: News) => void;

/** Tells listeners by topic, in the order in which they came. */
export class Emitter<Topics extends object> {
  readonly #listeners = new Map<keyof Topics, Set<Listener<never>>>();

  /** Adds a listener; the answer removes it. */
  on<Topic extends keyof Topics>(topic: Topic, listener: Listener<Topics[Topic]>): () => void {
    const own: Listener<Topics[Topic]> = (news) => listener(news);
    let listeners = this.#listeners.get(topic);
    if (listeners === undefined) {
      listeners = new Set();
      this.#listeners.set(topic, listeners);
    }
    listeners.add(own);
    return () => listeners.delete(own);
  }

  emit<Topic extends keyof Topics>(topic: Topic, news: Topics[Topic]): void {
    const listeners = this.#listeners.get(topic) as Set<Listener<Topics[Topic]>> | undefined;
    if (listeners === undefined) return;
    for (const listener of listeners) callListener(listener, news);
  }
}

/**
 * Calls a listener so that what it throws reaches the host as an uncaught error, and not the
 * client's own state.
 */
export function callListener<News>(listener: Listener<News>, news: News): void {
  try {
    listener(news);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
