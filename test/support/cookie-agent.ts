/** Follows a provider's pages as a browser would: keeps cookies per host, follows redirects by hand. */
export class CookieAgent {
  readonly #cookies = new Map<string, string>();

  /** One request, no redirect followed. */
  async request(url: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    if (cookie !== '') headers.set('cookie', cookie);
    const response = await fetch(url, { ...init, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';', 1);
      const at = pair.indexOf('=');
      const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
      if (value === '') this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return response;
  }

  /** Follows redirects until a page comes, or until `stop` says that the address is the goal: then that address is given. */
  async follow(
    url: string,
    stop: (url: URL) => boolean,
    init: RequestInit = {},
  ): Promise<{ readonly at: URL; readonly page?: string }> {
    let at = new URL(url);
    let response = await this.request(at.href, init);
    for (let hop = 0; hop < 20; hop++) {
      const location = response.headers.get('location');
      if (location === null) return { at, page: await response.text() };
      await response.body?.cancel();
      at = new URL(location, at);
      if (stop(at)) return { at };
      response = await this.request(at.href);
    }
    throw new Error(`too many redirects, last to ${at.origin}${at.pathname}`);
  }

  /** Sends a form. */
  submit(url: string, fields: Readonly<Record<string, string>>, stop: (url: URL) => boolean) {
    return this.follow(url, stop, { method: 'POST', body: new URLSearchParams(fields) });
  }
}
