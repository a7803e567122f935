// SPDX-License-Identifier: Apache-2.0
//! OpenStack's metadata service: the tree of a config drive on a link-local address.
//!
//! `/openstack/latest/password` is for a password that the guest would post there; it is never touched.

use crate::config::base::Settings;
use crate::datasource::documents::instance_id;
use crate::datasource::service::on_a_server;
use crate::datasource::{Context, Datasource, Fetched, Probe, Service, addresses, asked_for, platform, service_probe};
use crate::error::{Error, Result};
use crate::finding::Findings;
use crate::http::shown_text;
use crate::media::Medium;

pub(crate) mod tree;

/// See the file's head.
pub const DATASOURCE: Datasource = Datasource { name: NAME, is_remote: true, probe, fetch };

/// The datasource's name.
pub const NAME: &str = "openstack";

/// Where the service is, of either family.
const USUAL: [&str; 2] = ["http://169.254.169.254", "http://[fe80::a9fe:a9fe]"];
/// Bytes of the list of versions.
const LIST_LIMIT: u64 = 64 << 10;

fn probe(context: &Context) -> Probe {
    let why = asked_for(context.guest, &[NAME]).or_else(|| platform::openstack(context.guest));
    service_probe(context, NAME, why, "nothing says that this is OpenStack", &bases(context.settings))
}

fn fetch(context: &Context, service: Option<&Service>, findings: &mut Findings) -> Result<Fetched> {
    let bases = bases(context.settings);
    let nobody = on_a_server("OpenStack's metadata service");
    let Some(service) = service else { return Err(nobody) };
    let mut failed: Option<Error> = None;
    for base in bases {
        match service.get(&format!("{base}/openstack"), LIST_LIMIT) {
            Ok(list) => return Served::new(service, base, list)?.seed(context.settings, findings),
            // One that answers is the one, whatever it says.
            Err(error) if error.status().is_some() => return Err(error),
            // Nobody is there, or nobody by addresses of this family.
            Err(error) => failed = failed.filter(Error::is_transient).or(Some(error)),
        }
    }
    Err(failed.unwrap_or(nobody))
}

/// Where the service may be. IPv4 goes first: that is where most clouds have theirs, a way without it is passed over at
/// once, and a number that nobody has costs two seconds.
fn bases(settings: &Settings) -> Vec<String> {
    addresses(settings.openstack.as_ref(), USUAL)
}

/// The tree on a server.
struct Served<'a> {
    service: &'a Service,
    base: String,
    versions: Vec<String>,
}

impl<'a> Served<'a> {
    /// By its list of versions. Absent where none of them is known.
    fn new(service: &'a Service, base: String, list: Option<Vec<u8>>) -> Result<Self> {
        let list = list.unwrap_or_default();
        let list = String::from_utf8_lossy(&list);
        let versions = list.lines().map(|line| line.trim().trim_end_matches('/'));
        let versions: Vec<String> = versions.filter(|it| tree::is_known(it)).map(str::to_owned).collect();
        match versions.is_empty() {
            true => Err(Error::absent(format!(
                "the server lists no known version at {}",
                shown_text(&format!("{base}/openstack"))
            ))),
            false => Ok(Self { service, base, versions }),
        }
    }

    fn seed(&self, settings: &Settings, findings: &mut Findings) -> Result<Fetched> {
        let place = shown_text(&self.base);
        let wants_network = settings.openstack.as_ref().is_none_or(|it| it.apply_network_config != Some(false));
        let seed = tree::read(self, NAME, place.trim_end_matches('/'), wants_network, findings)?;
        instance_id(&seed)?;
        Ok(Fetched { seed, drive: None })
    }
}

impl Medium for Served<'_> {
    /// A name that would mean something else in a URL has no file here: `%2e%2e` and `\\` lead out of the tree.
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        if !path.chars().all(|c| c.is_ascii_graphic() && !"?#%\\".contains(c)) {
            return Ok(None);
        }
        let url = format!("{}/{path}", self.base);
        match path.rsplit('/').next() {
            Some(name) if tree::VENDOR_DATA.contains(&name) => self.service.get_of_vendor(&url, limit),
            _ => self.service.get(&url, limit),
        }
    }

    /// Of the versions alone: a server lists nothing else.
    fn list(&self, path: &str) -> Result<Vec<String>> {
        Ok(if path == "openstack" { self.versions.clone() } else { Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::config::base::MetadataService;
    use crate::datasource::{Certainty, Drives, Kept, Reach, config_drive};
    use crate::finding::{Located, Origin};
    use crate::guest::Guest;
    use crate::http::Way;
    use crate::http::scripted::{Answer, Scripted, whole};
    use crate::media::Directory;
    use crate::scratch::Scratch;
    use crate::seed::Seed;

    /// What a server with these answers gives a machine whose settings name no other, and what it was asked for.
    fn fetch_from(answers: Vec<Answer>, network: Option<bool>) -> (Result<Seed>, Vec<String>, Vec<String>) {
        let server = Scripted::start(answers);
        let url = Located::new(server.url("/"), Origin::document("settings"));
        let service =
            MetadataService { metadata_urls: Some(vec![url]), apply_network_config: network, ..Default::default() };
        let settings = Settings { openstack: Some(service), ..Settings::default() };
        let scratch = Scratch::new();
        let (root, guest) = (scratch.root(), Guest::read(&scratch.root()).unwrap());
        let (kept, drives): (Option<Kept>, _) = (None, Drives::default());
        let context = Context { root: &root, guest: &guest, settings: &settings, reach: Reach::Up, kept, drives };
        let service = Service::new(Way::routed(), Instant::now() + Duration::from_secs(60), Duration::from_secs(9));
        let mut findings = Findings::default();
        let seed = fetch(&context, Some(&service), &mut findings).map(|fetched| fetched.seed);
        let paths = server.requests().iter().map(|head| head.split(' ').nth(1).unwrap().to_owned()).collect();
        (seed, paths, findings.iter().map(ToString::to_string).collect())
    }

    const FILES: [(&str, &str); 6] = [
        (
            "2018-08-27/meta_data.json",
            r#"{"uuid": "i-1", "files": [{"path": "/etc/a", "content_path": "/content/0000"}, {"path": "/b", "content_path": "/content/0000"}]}"#,
        ),
        ("2018-08-27/network_data.json", r#"{"links": []}"#),
        ("2018-08-27/vendor_data.json", r##"{"cloud-init": "#!/bin/v"}"##),
        ("2018-08-27/user_data", "#!/bin/sh\n"),
        ("content/0000", "edge\n"),
        ("latest/meta_data.json", "{}"),
    ];
    /// Two are not there, the password is not asked for, and nothing is asked for twice.
    const ASKED: [&str; 7] = [
        "",
        "/2018-08-27/meta_data.json",
        "/2018-08-27/network_data.json",
        "/2018-08-27/user_data",
        "/content/0000",
        "/2018-08-27/vendor_data.json",
        "/2018-08-27/vendor_data2.json",
    ];

    /// What a server answers to those questions.
    fn answers(asked: &[&str]) -> Vec<Answer> {
        let found = |path: &str| FILES.iter().find(|(name, _)| *name == path.trim_start_matches('/'));
        let answer = |path: &&str| match found(path) {
            _ if path.is_empty() => whole("200 OK", "", "2012-08-10\n2018-08-27/\n2999-01-01\nlatest"),
            Some((_, text)) => whole("200 OK", "", text),
            None => whole("404 Not Found", "", ""),
        };
        asked.iter().map(answer).collect()
    }

    fn asked(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| format!("/openstack{path}")).collect()
    }

    #[test]
    fn a_file_s_path_leads_nowhere_else() {
        for path in [
            "/content/%2e%2e/%2E%2e/latest/user-data",
            r"content\\..\\..\\latest",
            "/content/0?a",
            "/content/0#a",
            "/a\\nb",
        ] {
            let meta_data = format!(r#"{{"uuid": "i-1", "files": [{{"path": "/a", "content_path": "{path}"}}]}}"#);
            let missing = || whole("404 Not Found", "", "");
            let mut answers = vec![whole("200 OK", "", "latest"), whole("200 OK", "", &meta_data)];
            answers.extend((0..4).map(|_| missing()));
            let (seed, requests, _) = fetch_from(answers, None);
            assert!(seed.unwrap().content.is_empty());
            assert_eq!(requests.len(), 6, "{requests:?}");
        }
    }

    #[test]
    fn a_server_gives_the_seed_of_a_drive_with_one_request_for_each_document() {
        let (seed, requests, findings) = fetch_from(answers(&ASKED), None);
        let seed = seed.unwrap();
        assert_eq!((requests, findings), (asked(&ASKED), Vec::new()));
        assert!(seed.place.starts_with("http://127.0.0.1:") && !seed.place.ends_with('/'), "{}", seed.place);
        let scratch = Scratch::new();
        FILES.iter().for_each(|(name, text)| scratch.file(&format!("openstack/{name}"), text));
        let medium = Directory::open(&scratch.path("")).unwrap();
        let drive = config_drive::read(&medium, "", &mut Findings::default()).unwrap();
        assert_eq!(seed, Seed { datasource: NAME.to_owned(), place: seed.place.clone(), ..drive });

        let without: Vec<&str> = ASKED.into_iter().filter(|path| !path.contains("network")).collect();
        let (seed, requests, _) = fetch_from(answers(&without), Some(false));
        assert_eq!((seed.unwrap().network, requests), (None, asked(&without)));
    }

    #[test]
    fn who_has_no_such_service_is_asked_once() {
        for list in [whole("404 Not Found", "", ""), whole("200 OK", "", "<html>welcome</html>")] {
            let (seed, requests, _) = fetch_from(vec![list], None);
            let error = seed.unwrap_err();
            assert!(error.is_absent() && error.to_string().contains("lists no known version"), "{error:?}");
            assert_eq!(requests, ["/openstack"]);
        }
        // Nobody is there: that may be otherwise by another way.
        assert!(fetch_from(Vec::new(), None).0.unwrap_err().is_transient());
        let (seed, ..) = fetch_from(answers(&["", "/a", "/b", "/c"]), None);
        let error = seed.unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Malformed, "{error}");
    }

    #[test]
    fn what_may_come_later_is_waited_for_unless_it_is_the_vendor_s() {
        let busy = |headers: &str| whole("503 Service Unavailable", headers, "");
        // Longer than anybody waits here.
        let long = "Retry-After: 3600\r\n";
        let refused = || whole("403 Forbidden", "", "");
        let mut late = answers(&ASKED);
        late.insert(3, busy(""));
        let (seed, requests, findings) = fetch_from(late, None);
        assert!(seed.unwrap().user_data.is_some() && findings.is_empty());
        assert_eq!(requests.iter().filter(|path| path.ends_with("user_data")).count(), 2);
        let mut never = answers(&ASKED);
        never[3] = busy(long);
        assert!(fetch_from(never, None).0.unwrap_err().is_transient());
        let mut vendor = answers(&ASKED);
        (vendor[2], vendor[5]) = (refused(), busy(long));
        let (seed, _, findings) = fetch_from(vendor, None);
        let seed = seed.unwrap();
        assert!(seed.user_data.is_some() && seed.network.is_none() && seed.vendor_data.is_empty());
        assert!(findings[0].starts_with("network_data.json: error: left out: cannot fetch http://"), "{findings:?}");
        assert!(findings[1].starts_with("vendor_data.json: error: left out: cannot fetch http://"), "{findings:?}");
    }

    #[test]
    fn it_is_asked_only_where_something_says_that_it_is_there() {
        let certainty = |path: &str, text: &str| {
            let scratch = Scratch::new();
            scratch.file(path, text);
            let (root, guest) = (scratch.root(), Guest::read(&scratch.root()).unwrap());
            let (settings, drives) = (Settings::default(), Drives::default());
            probe(&Context { root: &root, guest: &guest, settings: &settings, reach: Reach::Up, kept: None, drives })
                .certainty
        };
        assert_eq!(certainty("/sys/class/dmi/id/product_name", "OpenStack Compute\n"), Certainty::Expected);
        assert_eq!(certainty("/proc/cmdline", "ro ds=OpenStack"), Certainty::Expected);
        assert_eq!(certainty("/sys/class/dmi/id/product_name", "Standard PC\n"), Certainty::Unlikely);
    }
}
