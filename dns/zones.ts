// The zones of our own: their apexes, and suffixes that are nobody else's business and so are never asked of others.

/** Zones of dcos-net (specs/dns.md §6.2–6.5), names with their trailing dot. */
export const dcosZones = {
  dcos: 'dcos.thisdcos.directory.',
  l4lb: 'l4lb.thisdcos.directory.',
  zk: 'zk.',
  spartan: 'spartan.',
  thisnode: 'thisnode.thisdcos.directory.',
  localhost: 'localhost.',
} as const;

/** Of these we hold names of the cluster's own addresses only; the rest is answered by others. */
export const reverseZones = { ip4: 'in-addr.arpa.', ip6: 'ip6.arpa.' } as const;

/** Below these, names without a zone are refused rather than asked upstream, where they would leak. */
export const privateSuffixes: readonly string[] = ['thisdcos.directory.', 'thisdcos.global.'];

/** The apex of Mesos-DNS's zone for a configured domain such as `mesos`. */
export const mesosZone = (domain: string): string => `${domain.toLowerCase().replace(/\.$/, '')}.`;

/** Apexes of all zones of our own. */
export const ownZones = (domain: string): readonly string[] => [mesosZone(domain), ...Object.values(dcosZones)];
