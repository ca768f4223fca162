/** The user wrote what cannot be: exit code 2, the message and where to read more, no stack. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly command: string | undefined;

  constructor(message: string, command?: string) {
    super(message);
    this.command = command;
  }
}

const registryOptions = `Registry:
  -r, --registry URL        Where to look; may be given several times. Default: DUBHE_REGISTRY (several:
                            separated by spaces), else embedded:
                            zookeeper://h1:2181,h2:2181/chroot   etcd://host:2379
                            nacos://host:8848?namespace=dev      embedded:
      --timeout TIME        How long to wait for each answer: 500ms, 5s. Default 5s
      --json                JSON instead of text`;

const tlsOptions = `Providers:
      --tls                 They speak TLS
      --tls-ca FILE         Who signs their certificates. Default: the system's authorities
      --tls-cert FILE --tls-key FILE   Our own certificate
      --tls-servername NAME The name in their certificate, where it is not the address`;

const exits = `Exit code: 0 fine, 1 not, 2 the command line cannot be.`;

export const mainHelp: string = `Usage: dubhe <command> [options]

Looks at registries and providers as a consumer does.

Commands:
  doctor [service]     Is this machine fit, can the registries be reached, and what is there?
  explain <service>    Step by step: can this service be called, and if not, why not?
  ls [what] [name…]    List applications, services or instances
  watch [what] [name…] Follow them

\`dubhe <command> --help\` says more. ${exits}`;

export const commandHelp: Readonly<Record<string, string>> = {
  doctor: `Usage: dubhe doctor [service] [options]

Checks Node.js, what a server here would advertise, and each registry: names, TCP, TLS, protocol, login; then says
what a consumer would see. With a service it goes on as \`dubhe explain\`.

${registryOptions}

${tlsOptions}

${exits}`,
  explain: `Usage: dubhe explain <service> [options]

Goes the way of a consumer: registry, mapping, applications and their instances, metadata of each revision, the
service in it, endpoints, a TCP and an HTTP/2 connect to each. Names the first step that is wrong.

Service: the interface, such as greet.GreetService, or Dubbo's key: group/interface:version
      --group GROUP         As the client has it. Default: none. * = any
      --version VERSION     Likewise
      --protocol NAME       Default tri
      --provided-by APPS    Applications to look in, separated by commas, instead of the mapping's
      --application NAME    The consumer's own, whose migration rule counts (registry-type=all)

${registryOptions}

${tlsOptions}

Exit code: 0 a call could be made, 1 it could not, 2 the command line cannot be.`,
  ls: `Usage: dubhe ls [applications | services | instances] [name…] [options]

applications (default) and instances: of the applications named, or of all. services: the interfaces, and which
applications are mapped to them.

${registryOptions}

${exits}`,
  watch: `Usage: dubhe watch [applications | services | instances] [name…] [options]

What is there, then every change: + new, ~ changed, - gone. Ctrl-C ends it. With --json a line of JSON for each.

${registryOptions}

${exits}`,
};
