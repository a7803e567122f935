// SPDX-License-Identifier: Apache-2.0
//! The image's own settings: cloud-config defaults and the `firstlight:` keys.
//!
//! A file that begins with `## template: jinja` is rendered over the instance data first. A template belongs in double
//! quotes, `gateway: "{{ meta.edgeproxy }}"`: there the value comes out exactly as the platform has it. Elsewhere
//! whatever is more than a plain word shows its escapes (`\x20`); nowhere can it add a key, end a list or begin another
//! value. An entry whose variable is missing is left out.

mod datasources;
mod network;
mod nocloud;
mod service;
mod words;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::config::document::{self, Data, Node};
use crate::config::merge::overlay;
use crate::config::missing::{LeftOut, drop_missing};
use crate::config::read::{Raw, Read};
use crate::config::template::{self, Purpose};
use crate::config::types::Commands;
use crate::finding::{Finding, Findings, Located, Origin};
use crate::root::Tree;
use crate::seed::Document;
use crate::state;

pub use network::{Network, RENDERERS, RendererName, Route, Updates};
pub use nocloud::NoCloud;
pub use service::MetadataService;
pub use words::{DATASOURCES, DatasourceName, HostnameFrom};

/// Keys of the block that are not built yet.
const NOT_YET: &[&str] = &["cloud_init_compat"];
/// The block of which nothing may be left out: it says which script is run as root, and who has to have sealed it.
const BOOTSTRAP: [&str; 2] = ["firstlight", "bootstrap"];

crate::keys! {
    /// The image's own settings: the block `firstlight:`.
    pub struct Settings {
        /// Where configuration is looked for, in this order. One entry is certain: it is not probed for.
        datasources: Vec<Located<DatasourceName>>,
        /// How long a medium that is expected may take to appear; 10 s.
        wait: Duration,
        /// Config drive.
        config_drive: ConfigDrive,
        /// NoCloud: a seed in the settings themselves, or where one is.
        nocloud: NoCloud,
        /// OpenStack's metadata service.
        openstack: MetadataService,
        /// EC2's metadata service, or one like it.
        ec2: MetadataService,
        /// Which name of the instance is its host name: `hostname` (the default) or `name`, both of OpenStack.
        hostname_from: HostnameFrom,
        /// Network.
        network: Network,
        /// The script that is downloaded and run until it succeeds.
        bootstrap: Bootstrap,
        /// Commands of the image, run once for each instance before the user's scripts: in the forms of `runcmd`, which
        /// the user's own would replace.
        runcmd: Raw<Commands>,
        /// Whether the first step that fails ends the run; no.
        strict: bool,
    }
}

crate::keys! {
    /// What becomes of a config drive.
    pub struct ConfigDrive {
        /// Directory where it stays mounted; else it is unmounted once it is read.
        keep_mounted: Located<PathBuf>,
    }
}

crate::keys! {
    /// The bootstrap loop.
    pub struct Bootstrap {
        /// Where the script is; `http://10.0.2.100/vm-bootstrap`.
        url: Located<String>,
        /// Time between two tries; 60 s.
        interval: Duration,
        /// When a try is ended; 0 for never.
        timeout: Duration,
        /// Tries in all, unless the file `bootstrap-max-retry` says otherwise; 10.
        max_retry: u32,
        /// Where its files are; `/root/bootstrap`.
        directory: Located<PathBuf>,
        /// Where its output goes; `/var/log/vm-bootstrap.log`.
        log: Located<PathBuf>,
        /// SHA-256 of the script, 64 hexadecimal digits.
        sha256: Located<String>,
        /// Minisign key that signs the script.
        public_key: Located<String>,
    }
}

/// The image's settings, and the rest of their documents as cloud-config defaults.
///
/// `instance_data` is what templates may ask for; before it is known (the settings say where to look for it), pass
/// `None`: entries that would need it are left out without a word. A file that can't be read or is not YAML is a
/// finding, and the others are still used. An entry that is left out for a missing variable is a note; in the block
/// `bootstrap:` it is an error, as a script without the seal that was meant for it must not run.
pub fn load(tree: &dyn Tree, instance_data: Option<&Value>, findings: &mut Findings) -> (Settings, Node) {
    let documents = documents(tree, findings);
    settle(&documents, instance_data, findings)
}

/// The files of the image's settings, the most important last.
pub fn documents(tree: &dyn Tree, findings: &mut Findings) -> Vec<Document> {
    let directory = Path::new(state::SETTINGS_DIR);
    let names = tree.list(directory).unwrap_or_else(|error| {
        findings.push(Finding::error(&Origin::document(state::SETTINGS_DIR), error.to_string()));
        Vec::new()
    });
    let mut names: Vec<_> = names.into_iter().filter(|name| name.ends_with(".yaml")).collect();
    names.sort();
    let paths =
        std::iter::once(Path::new(state::SETTINGS).to_owned()).chain(names.iter().map(|name| directory.join(name)));
    let mut documents = Vec::new();
    for path in paths {
        let name = path.display().to_string();
        match tree.read(&path) {
            Ok(Some(bytes)) => documents.push(Document::new(name, bytes)),
            Ok(None) => {}
            Err(error) => findings.push(Finding::error(&Origin::document(name), error.to_string())),
        }
    }
    documents
}

/// As [`load`], from documents that are read already; each lies over the one before it.
pub fn settle(documents: &[Document], instance_data: Option<&Value>, findings: &mut Findings) -> (Settings, Node) {
    let mut all = Node::empty(Origin::document(state::SETTINGS));
    let mut left_out: Vec<LeftOut> = Vec::new();
    for document in documents {
        if let Some((layer, missing)) = layer(document, instance_data, findings) {
            left_out.retain(|left| !left.is_replaced_by(&layer));
            left_out.extend(missing);
            all = overlay(all, layer);
        }
    }
    if instance_data.is_some() {
        findings.extend(left_out.iter().map(missed));
    }
    let Node { origin, data } = all;
    let Data::Mapping(entries) = data else { return (Settings::default(), Node::empty(origin)) };
    const OWN: [&str; 5] = ["firstlight", "network", "updates", "datasource", "datasource_list"];
    let is_own = |key: &Node| key.text().is_some_and(|key| OWN.contains(&key));
    let (own, defaults): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| is_own(key));
    let own = Node { origin: origin.clone(), data: Data::Mapping(own) };
    let block = own.get("firstlight").filter(|block| !block.is_null());
    let settings = block.and_then(|block| Settings::read(&built(block.clone(), findings), findings));
    let mut settings = settings.unwrap_or_default();
    Network::add_cloud_init(&mut settings.network, &own, findings);
    datasources::add_cloud_init(&mut settings, &own, findings);
    (settings, Node { origin, data: Data::Mapping(defaults) })
}

/// What there is to say of an entry that was left out.
fn missed(left: &LeftOut) -> Finding {
    let message = format!("left out: the instance data has no `{}`", left.variable);
    // Also where all that the block stands in was left out.
    if left.keys.iter().zip(BOOTSTRAP).any(|(key, bootstrap)| key != bootstrap) {
        return Finding::note(&left.origin, message);
    }
    Finding::error(&left.origin, message)
        .help("without it no bootstrap script is run: give the server that property, or the template a `default(…)`")
}

/// The block without what is not built yet.
fn built(mut block: Node, findings: &mut Findings) -> Node {
    if let Data::Mapping(entries) = &mut block.data {
        entries.retain(|(key, _)| {
            let unbuilt = NOT_YET.iter().find(|name| key.text() == Some(name));
            findings.extend(unbuilt.map(|name| {
                Finding::warning(&key.origin, format!("`{name}` is known and not built yet; it is left out"))
            }));
            unbuilt.is_none()
        });
    }
    block
}

/// One file of settings, its template rendered, and what was left out of it; always a mapping.
fn layer(document: &Document, instance_data: Option<&Value>, findings: &mut Findings) -> Option<(Node, Vec<LeftOut>)> {
    let origin = document.origin();
    let Ok(text) = std::str::from_utf8(&document.bytes) else {
        findings.push(Finding::error(&origin, "not UTF-8; this file is not used").help("save it as UTF-8"));
        return None;
    };
    let (node, left_out) = if template::split_header(text).is_some() {
        let data = instance_data.unwrap_or(&Value::Null);
        let output = template::render(text, &origin, data, Purpose::Settings, findings)?;
        drop_missing(document::parse(&output, &origin, findings)?)
    } else {
        (document::parse(text, &origin, findings)?, Vec::new())
    };
    Some((as_mapping(node, findings)?, left_out))
}

fn as_mapping(node: Node, findings: &mut Findings) -> Option<Node> {
    if matches!(node.data, Data::Mapping(_)) {
        return Some(node);
    }
    if !node.is_null() {
        let message = format!("expected keys such as `firstlight:`, found {}; this file is not used", node.described());
        findings.push(Finding::error(&node.origin, message));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settled(texts: &[&str], data: Option<&Value>) -> (Settings, Node, Vec<String>) {
        let documents: Vec<_> =
            texts.iter().enumerate().map(|(n, text)| Document::new(format!("s{n}"), *text)).collect();
        let mut findings = Findings::default();
        let (settings, defaults) = settle(&documents, data, &mut findings);
        (settings, defaults, findings.iter().map(ToString::to_string).collect())
    }

    const TEMPLATE: &str = "## template: jinja
timezone: Europe/Lisbon
firstlight:
  datasources: [ConfigDrive, nocloud]
  wait: 10s
  hostname_from: name
  config_drive: {keep_mounted: /mnt/drive}
  network:
    enabled: \"{{ meta.skipinit != 'yes' }}\"
    renderer: network-manager
    gateway: \"{{ meta.edgeproxy }}\"
    routes: [{to: \"{{ meta.privatenet }}\", via: \"{{ meta.privaterouter }}\"}]
  bootstrap: {url: \"http://10.0.2.100/vm-bootstrap\", interval: 60s, timeout: 0s, max_retry: 3, sha256: null}
";

    #[test]
    fn every_setting_is_typed() {
        let data =
            json!({"meta": {"edgeproxy": "172.24.4.1", "privatenet": "10.1.0.0/16", "privaterouter": "10.0.0.1"}});
        let (settings, defaults, findings) = settled(&[TEMPLATE], Some(&data));
        assert_eq!(findings, [""; 0]);
        let names: Vec<_> = settings.datasources.unwrap().iter().map(|name| name.value.0).collect();
        assert_eq!(names, ["config-drive", "nocloud"]);
        assert_eq!(settings.wait, Some(Duration::from_secs(10)));
        assert_eq!(settings.hostname_from, Some(HostnameFrom::Name));
        assert_eq!(settings.config_drive.unwrap().keep_mounted.unwrap().value, Path::new("/mnt/drive"));
        let network = settings.network.unwrap();
        assert_eq!((network.enabled, network.renderer.unwrap().value), (Some(true), RendererName("network-manager")));
        assert_eq!(network.gateway.unwrap().value, "172.24.4.1");
        let routes = network.routes.unwrap();
        assert_eq!(routes[0].to.as_ref().unwrap().value, "10.1.0.0/16");
        let bootstrap = settings.bootstrap.unwrap();
        assert_eq!((bootstrap.max_retry, bootstrap.sha256.is_none()), (Some(3), true));
        assert_eq!(defaults.get("timezone").unwrap().origin.to_string(), "s0:2:11");
        assert_eq!(defaults.get("firstlight"), None);
    }

    #[test]
    fn what_the_instance_lacks_is_left_out_with_a_note_once_it_is_known() {
        let (settings, _, findings) = settled(&[TEMPLATE], None);
        let network = settings.network.unwrap();
        assert!(network.gateway.is_none() && network.routes.unwrap().is_empty());
        assert_eq!(findings, [""; 0]);
        let (_, _, findings) = settled(&[TEMPLATE], Some(&json!({"meta": {"skipinit": "yes"}})));
        assert_eq!(
            findings,
            [
                "s0:11:5: note: left out: the instance data has no `meta.edgeproxy`",
                "s0:12:14: note: left out: the instance data has no `meta.privatenet`"
            ]
        );
    }

    #[test]
    fn later_files_win_and_broken_ones_do_not_matter_to_the_others() {
        let (settings, defaults, findings) = settled(
            &[
                "firstlight: {wait: 1s, strict: yes}\na: {x: 1}\n",
                "a: [\n",
                "- list\n",
                "",
                "\u{0}",
                "firstlight: {wait: 2s}\na: {y: 2}\n",
            ],
            None,
        );
        assert_eq!((settings.wait, settings.strict), (Some(Duration::from_secs(2)), Some(true)));
        assert!(defaults.get("a").unwrap().get("x").is_some());
        assert_eq!(findings.len(), 3, "{findings:?}");
    }

    #[test]
    fn of_the_bootstrap_block_nothing_may_be_missing_unless_a_later_file_says_it() {
        let sealed = "## template: jinja\nfirstlight:\n  bootstrap:\n    sha256: \"{{ meta.sum }}\"\n";
        let nothing = Value::Null;
        let (_, _, findings) = settled(&[sealed], Some(&nothing));
        assert!(
            findings[0].starts_with("s0:4:5: error: left out: the instance data has no `meta.sum`"),
            "{findings:?}"
        );
        let (settings, _, findings) = settled(&[sealed, "firstlight: {bootstrap: {sha256: ab}}"], Some(&nothing));
        assert_eq!((settings.bootstrap.unwrap().sha256.unwrap().as_str(), findings.len()), ("ab", 0));
    }

    #[test]
    fn a_value_of_the_platform_adds_no_key() {
        let edgeproxy = "172.24.4.1\"\n  runcmd: [id]\nruncmd: [id]\nx: \"";
        let (settings, defaults, _) = settled(&[TEMPLATE], Some(&json!({"meta": {"edgeproxy": edgeproxy}})));
        assert_eq!(settings.network.unwrap().gateway.unwrap().value, edgeproxy);
        assert!(settings.runcmd.is_none() && defaults.get("runcmd").is_none() && defaults.get("x").is_none());
    }

    #[test]
    fn a_setting_that_is_not_built_yet_is_said_and_leaves_the_rest() {
        let (settings, _, findings) = settled(&["firstlight: {cloud_init_compat: true, strict: true}"], None);
        assert_eq!(settings.strict, Some(true));
        assert_eq!(findings, ["s0:1:14: warning: `cloud_init_compat` is known and not built yet; it is left out"]);
    }

    #[test]
    fn words_that_are_not_known_are_found() {
        let (settings, _, findings) = settled(
            &["firstlight:\n  datasources: [nocluod, ec2]\n  network: {rendrer: x, renderer: bind}\n  wait: soon\n"],
            None,
        );
        assert_eq!(settings.datasources.unwrap().len(), 1);
        assert_eq!(
            findings,
            [
                "s0:2:17: error: `nocluod` is not known here; it is left out\n    help: did you mean `nocloud`?",
                "s0:4:9: error: expected a duration such as `500ms`, `10s` or `2m`, found a string",
                "s0:3:13: error: unknown key `rendrer`; it is left out\n    help: did you mean `renderer`?",
                "s0:3:35: error: `bind` is not known here; it is left out\n    \
                 help: one of: netplan, networkd, network-manager, ifupdown, ifupdown-alpine, sysconfig, sysconfig-suse, kernel, eni",
            ]
        );
    }

    /// A tree of files in memory.
    struct Files(Vec<(&'static str, &'static str)>);

    impl Tree for Files {
        fn is_live(&self) -> bool {
            false
        }
        fn owners(&self) -> bool {
            false
        }
        fn stat(&self, _: &Path) -> crate::error::Result<Option<crate::root::Stat>> {
            Ok(None)
        }
        fn read(&self, path: &Path) -> crate::error::Result<Option<Vec<u8>>> {
            let file = self.0.iter().find(|(name, _)| Path::new(name) == path);
            match file {
                Some((_, "unreadable")) => Err(crate::error::Error::fatal("cannot read it")),
                Some((_, text)) => Ok(Some(text.as_bytes().to_vec())),
                None => Ok(None),
            }
        }
        fn read_link(&self, _: &Path) -> crate::error::Result<Option<PathBuf>> {
            Ok(None)
        }
        fn list(&self, directory: &Path) -> crate::error::Result<Vec<String>> {
            let names = self.0.iter().filter_map(|(name, _)| Path::new(name).strip_prefix(directory).ok());
            Ok(names.map(|name| name.display().to_string()).collect())
        }
    }

    #[test]
    fn files_are_read_in_the_order_of_their_names() {
        let tree = Files(vec![
            ("/etc/firstlight/config.yaml", "a: base\nb: base\nc: base"),
            ("/etc/firstlight/config.d/20-b.yaml", "b: late"),
            ("/etc/firstlight/config.d/10-a.yaml", "b: early\nc: early"),
            ("/etc/firstlight/config.d/15-x.yaml", "unreadable"),
            ("/etc/firstlight/config.d/30-c.yaml.bak", "c: never"),
        ]);
        let mut findings = Findings::default();
        let (_, defaults) = load(&tree, None, &mut findings);
        let values: Vec<_> = ["a", "b", "c"].iter().map(|key| defaults.get(key).unwrap().text().unwrap()).collect();
        assert_eq!(values, ["base", "late", "early"]);
        let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(findings, ["/etc/firstlight/config.d/15-x.yaml: error: cannot read it"]);
        assert!(load(&Files(Vec::new()), None, &mut Findings::default()).1.entries().is_empty());
    }
}
