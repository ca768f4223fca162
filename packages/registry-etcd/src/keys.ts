import {
  encodeProviderUrl,
  formatProviderUrl,
  type Instance,
  type InterfaceProvider,
  instanceKey,
} from "@dubhe/discovery";

/*
 * Where things are, as dubbo-go writes them:
 *
 *   /services/<application>/<host>:<port>                  an instance, on a lease
 *   /<group>/mapping/<interface>                           a,b: the applications that export it
 *   /<group>/<application>/<revision>                      remote metadata
 *   /<group><application>/<revision>                       the same, as dubbo-go 3.3.0 has it
 *   /<group>/config/<group of the configuration>/<key>     configuration
 *   /dubbo/<interface>/providers/<encoded URL>             a provider of the interface-level model, on a lease
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The end of the range of all keys that begin with `prefix`: its last byte plus one. Ours never end with 0xff. */
export function prefixEnd(prefix: string): Uint8Array {
  const end = bytesOf(prefix);
  end[end.length - 1] = (end[end.length - 1] ?? 0) + 1;
  return end;
}

export function instancesPrefix(application: string): string {
  return `/services/${application}/`;
}

export function instancePath(instance: Instance): string {
  return instancesPrefix(instance.application) + instanceKey(instance);
}

/** dubbo-go's group of a registry does not move the interface-level entries; so ours does not either. */
export function providersPrefix(serviceInterface: string): string {
  return `/dubbo/${serviceInterface}/providers/`;
}

export function providerPath(provider: InterfaceProvider): string {
  return providersPrefix(provider.service.name) + encodeProviderUrl(formatProviderUrl(provider));
}

/** Of all entries of one interface for one protocol and address, whatever their parameters. */
export function providerAddressPrefix({ service, instance }: InterfaceProvider): string {
  return providersPrefix(service.name) + encodeProviderUrl(`${service.protocol}://${instanceKey(instance)}/`);
}

export function mappingPath(group: string, serviceInterface: string): string {
  return `/${group}/mapping/${serviceInterface}`;
}

export function metadataPrefix(group: string, application: string): string {
  return `/${group}/${application}/`;
}

/** Where dubbo-go 3.3.0 keeps it, and reads it only: it leaves the slash out. */
export function oldMetadataPath(group: string, application: string, revision: string): string {
  return `/${group}${application}/${revision}`;
}

export function configurationPath(group: string, configurationGroup: string, key: string): string {
  return `/${group}/config/${configurationGroup}/${key}`;
}
