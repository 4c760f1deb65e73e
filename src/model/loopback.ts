/** Whether an IP address (of a socket's other end, say) is this machine; false for anything that is not an address. */
export function isLoopbackAddress(address: string): boolean {
  // 127.0.0.0/8 and ::1: https://www.rfc-editor.org/rfc/rfc6890#section-2.2.2
  if (!address.includes(':')) return /^127(?:\.(?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])){3}$/.test(address);
  // The URL parser knows every way to write an IPv6 address, and writes each in one way.
  const host = /^[\da-f:.]+$/i.test(address) ? URL.parse(`http://[${address}]/`)?.hostname : undefined;
  // A socket that listens on IPv6 shows IPv4 peers like this: https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.2
  return host === '[::1]' || (host !== undefined && /^\[::ffff:7f[\da-f]{2}:[\da-f]{1,4}\]$/.test(host));
}

/**
 * Whether a host as people and URLs write it (`localhost`, `127.0.0.1`, `::1`, `[::1]`) is this machine. Names below `localhost` are not:
 * many resolvers ask the DNS for them (https://www.rfc-editor.org/rfc/rfc6761#section-6.3).
 */
export function isLoopbackHost(host: string): boolean {
  return host.toLowerCase() === 'localhost' || isLoopbackAddress(host.replace(/^\[(.*)\]$/s, '$1'));
}
