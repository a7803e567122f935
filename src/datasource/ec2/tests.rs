// SPDX-License-Identifier: Apache-2.0
//! Whole services on the loopback: with tokens and without, switched off, and with their quirks.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::config::base::settle;
use crate::datasource::{Certainty, Drives, Reach};
use crate::error::Kind;
use crate::guest::Guest;
use crate::http::Interface;
use crate::instance::Instance;
use crate::scratch::Scratch;

/// What a service answers to method, path and token.
type Rule = Box<dyn FnMut(&str, &str, Option<&str>) -> (u16, String) + Send>;

/// A service that goes by a rule until it is dropped.
struct Imitation {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Imitation {
    fn start(mut rule: Rule) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let it = Self { address: listener.local_addr().unwrap(), stop: stop.clone(), asked: asked.clone() };
        thread::spawn(move || {
            while let Ok((mut peer, _)) = listener.accept() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let head: Vec<String> =
                    BufReader::new(&peer).lines().map_while(|line| line.ok().filter(|line| !line.is_empty())).collect();
                let mut words = head[0].split(' ');
                let (method, path) = (words.next().unwrap(), words.next().unwrap());
                let header = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                asked.lock().unwrap().push(format!("{method} {path}"));
                assert!(method != "PUT" || header("x-aws-ec2-metadata-token-ttl-seconds") == Some("21600"));
                let (status, body) = rule(method, path, header("x-aws-ec2-metadata-token"));
                let length = body.len();
                let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                let _ = peer.write_all((head + &body).as_bytes());
            }
        });
        it
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Imitation {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

/// Documents by their paths, to everybody.
fn plain(documents: &'static [(&str, &str)]) -> Rule {
    let documents: BTreeMap<&str, &str> = documents.iter().copied().collect();
    Box::new(move |method, path, _| match documents.get(path) {
        _ if method != "GET" => (501, "Unsupported method".to_owned()),
        Some(text) => (200, (*text).to_owned()),
        None => (404, "<html>404</html>".to_owned()),
    })
}

/// The same to those who have the newest token; each is good for so many questions.
fn with_tokens(documents: &'static [(&str, &str)], questions: u32) -> Rule {
    let (mut tokens, mut left) = (0, 0);
    let mut plain = plain(documents);
    Box::new(move |method, path, token| match method {
        "PUT" => {
            (tokens, left) = (tokens + 1, questions);
            (200, format!("token-{tokens}=="))
        }
        _ if left == 0 || token != Some(&format!("token-{tokens}==")) => (401, "Unauthorized".to_owned()),
        _ => {
            left -= 1;
            plain(method, path, token)
        }
    })
}

/// What a machine comes to with these files, settings for `ec2:` and service; and what was said.
fn fetched(files: &[(&str, &str)], settings: &str, service: &Imitation) -> (Result<Seed>, Vec<String>) {
    let scratch = Scratch::new();
    files.iter().for_each(|(path, text)| scratch.file(path, text));
    let mut findings = Findings::default();
    let settings = format!("firstlight: {{ec2: {{metadata_urls: ['http://{}/'], {settings}}}}}", service.address);
    let settings = settle(&[Document::new("settings", settings)], None, &mut findings).0;
    let (root, guest) = (scratch.root(), Guest::read(&scratch.root()).unwrap());
    let (reach, drives) = (Reach::Up, Drives::default());
    let context = Context { root: &root, guest: &guest, settings: &settings, reach, kept: None, drives };
    let service = Service::new(Way::routed(), Instant::now() + Duration::from_secs(20), Duration::from_secs(5));
    let seed = fetch(&context, Some(&service), &mut findings).map(|fetched| fetched.seed);
    (seed, findings.iter().map(ToString::to_string).collect())
}

const AMAZON: &[(&str, &str)] = &[("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n")];

const NITRO: &[(&str, &str)] = &[
    ("/2021-03-23/meta-data/", "ami-id\ninstance-id\nlocal-hostname\nnetwork/\npublic-keys/\niam/"),
    ("/2021-03-23/meta-data/ami-id", "ami-1"),
    ("/2021-03-23/meta-data/instance-id", "i-0abc"),
    ("/2021-03-23/meta-data/local-hostname", "ip-10-0-0-5.ec2.internal"),
    ("/2021-03-23/meta-data/public-keys/", "0=me"),
    (
        "/2021-03-23/meta-data/public-keys/0/openssh-key",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDlZrvrghHGLBOqnwHms/gi1daP5AElq0hZC0etyIHr0 me\n",
    ),
    ("/2021-03-23/meta-data/network/", "interfaces/"),
    ("/2021-03-23/meta-data/network/interfaces/", "macs/"),
    ("/2021-03-23/meta-data/network/interfaces/macs/", "02:00:00:00:00:01/"),
    ("/2021-03-23/meta-data/network/interfaces/macs/02:00:00:00:00:01/", "device-number\nlocal-ipv4s"),
    ("/2021-03-23/meta-data/network/interfaces/macs/02:00:00:00:00:01/device-number", "0"),
    ("/2021-03-23/meta-data/network/interfaces/macs/02:00:00:00:00:01/local-ipv4s", "10.0.0.5\n10.0.0.6"),
    ("/2021-03-23/user-data", "IyEvYmluL3NoCg=="),
    ("/2021-03-23/dynamic/instance-identity/document", "{\"region\": \"eu-west-1\"}"),
];

/// As Cheesy2 has it: an instance by its MAC address, and versions by hand.
const HOME_MADE: &[(&str, &str)] = &[
    ("/latest/meta-data/", "instance-id\nlocal-hostname\npublic-keys/"),
    ("/latest/meta-data/instance-id", "52:54:00:12:34:56"),
    ("/latest/meta-data/local-hostname", "web.internal"),
    ("/latest/meta-data/public-keys/", "0=\n"),
    (
        "/latest/meta-data/public-keys/0/openssh-key",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDlZrvrghHGLBOqnwHms/gi1daP5AElq0hZC0etyIHr0 me",
    ),
];

#[test]
fn amazon_is_asked_with_a_token_and_gives_everything() {
    let service = Imitation::start(with_tokens(NITRO, 1000));
    let (seed, said) = fetched(AMAZON, "", &service);
    let seed = seed.unwrap();
    assert_eq!(said, [""; 0]);
    let instance = Instance::from_seed(&seed, &mut Findings::default()).unwrap();
    assert_eq!((instance.id.as_str(), instance.cloud_name.as_deref()), ("i-0abc", Some("aws")));
    assert_eq!((instance.hostname.unwrap().as_str(), instance.public_keys.len()), ("ip-10-0-0-5.ec2.internal", 1));
    assert_eq!(seed.user_data.unwrap().bytes, b"#!/bin/sh\n");
    let (format, network) = seed.network.unwrap();
    let network = crate::network::ec2::read(&network, &mut Findings::default()).unwrap();
    assert_eq!((format, network.links.len(), network.links[0].addresses.len()), (NetworkFormat::Ec2, 1, 1));
    assert_eq!(seed.content.keys().collect::<Vec<_>>(), [IDENTITY]);
    let asked = service.asked();
    assert_eq!(asked[0], "PUT /latest/api/token");
    assert_eq!(asked.len(), 1 + NITRO.len(), "nothing twice: {asked:?}");
    assert_eq!(seed.place, format!("http://{}", service.address));
}

#[test]
fn a_token_that_has_run_out_is_replaced() {
    let service = Imitation::start(with_tokens(NITRO, 5));
    let (seed, said) = fetched(AMAZON, "", &service);
    assert_eq!((seed.unwrap().user_data.is_some(), said.len()), (true, 0));
    let tokens = service.asked().iter().filter(|asked| asked.starts_with("PUT")).count();
    assert_eq!(tokens, 3);
    let service = Imitation::start(with_tokens(NITRO, 0));
    let error = fetched(AMAZON, "", &service).0.unwrap_err();
    assert_eq!((error.kind(), error.status()), (Kind::Fatal, Some(401)));
    assert_eq!(service.asked().len(), 4, "a refusal of a new token is final");
    assert!(!error.to_string().contains("token-"), "{error}");
}

#[test]
fn a_service_that_is_switched_off_is_final_and_says_so() {
    for (files, requests) in [(AMAZON, 1), (&[][..], 1)] {
        let service = Imitation::start(Box::new(|_, _, _| (403, String::new())));
        let error = fetched(files, "", &service).0.unwrap_err();
        assert_eq!((error.kind(), error.status(), service.asked().len()), (Kind::Fatal, Some(403), requests));
        assert!(error.without_advice().ends_with("the metadata of this instance is switched off"), "{error}");
    }
}

#[test]
fn who_gives_no_tokens_is_asked_without() {
    for (files, puts) in [(AMAZON, 1), (&[][..], 0)] {
        let service = Imitation::start(plain(NITRO));
        let (seed, said) = fetched(files, "", &service);
        assert_eq!((seed.is_ok(), said.len()), (true, 0));
        assert_eq!(service.asked().iter().filter(|asked| asked.starts_with("PUT")).count(), puts);
    }
    // And one that wants a token without being Amazon's gets its way.
    let service = Imitation::start(with_tokens(NITRO, 1000));
    let seed = fetched(&[], "", &service).0.unwrap();
    assert!(seed.more_meta_data.is_empty() && seed.content.is_empty());
    assert_eq!(service.asked()[..2], ["GET /2021-03-23/meta-data/", "PUT /latest/api/token"]);
}

#[test]
fn amazon_is_never_asked_without_a_token_because_it_is_slow() {
    let service = Imitation::start(Box::new(|method, _, _| match method {
        "PUT" => (503, String::new()),
        _ => (200, "instance-id".to_owned()),
    }));
    assert!(fetched(AMAZON, "", &service).0.unwrap_err().is_transient());
    assert_eq!(service.asked(), ["PUT /latest/api/token"]);
}

#[test]
fn a_home_made_service_is_enough() {
    let service = Imitation::start(plain(HOME_MADE));
    let (seed, said) = fetched(&[], "", &service);
    let seed = seed.unwrap();
    assert_eq!(said, [""; 0]);
    assert!(seed.network.is_none() && seed.user_data.is_none());
    let instance = Instance::from_seed(&seed, &mut Findings::default()).unwrap();
    assert_eq!((instance.id.as_str(), instance.public_keys.len()), ("52:54:00:12:34:56", 1));
    assert_eq!(service.asked().len(), 2 + HOME_MADE.len(), "the newest version and user-data besides");
}

#[test]
fn what_is_not_there_is_absent_and_what_has_no_id_is_unusable() {
    let service = Imitation::start(plain(&[]));
    assert!(fetched(&[], "", &service).0.unwrap_err().is_absent());
    assert_eq!(service.asked().len(), VERSIONS.len());
    let page = Imitation::start(Box::new(|_, _, _| (200, "<html>\n<p>It works!</p>".to_owned())));
    let (seed, _) = fetched(&[], "", &page);
    let error = seed.unwrap_err();
    assert_eq!(error.kind(), Kind::Malformed);
    assert!(error.to_string().contains("meta-data: instance-id: it is missing"), "{error}");
    assert_eq!(page.asked().len(), 1, "nothing on such a page is followed");
}

#[test]
fn its_word_on_the_network_counts_unless_the_settings_say_no() {
    let service = Imitation::start(plain(NITRO));
    assert!(fetched(&[], "apply_network_config: false", &service).0.unwrap().network.is_none());
}

#[test]
fn user_data_that_may_come_later_are_waited_for_and_others_are_said() {
    let with_refusals = |status: u16, times: u32| {
        let (mut plain, mut left) = (plain(NITRO), times);
        let service = Imitation::start(Box::new(move |method, path, token| match path {
            "/2021-03-23/user-data" if left > 0 => {
                left -= 1;
                (status, String::new())
            }
            _ => plain(method, path, token),
        }));
        fetched(&[], "", &service)
    };
    let (seed, said) = with_refusals(503, 2);
    assert_eq!((seed.unwrap().user_data.unwrap().bytes.as_slice(), said.len()), (b"#!/bin/sh\n".as_slice(), 0));
    let (seed, said) = with_refusals(400, 1);
    assert!(seed.unwrap().user_data.is_none());
    assert!(said[0].starts_with("user-data: error: left out: cannot fetch http://127.0.0.1:"), "{said:?}");
}

#[test]
fn it_is_asked_only_where_something_says_that_it_is_there() {
    let probed = |files: &[(&str, &str)], settings: &str| {
        let scratch = Scratch::new();
        files.iter().for_each(|(path, text)| scratch.file(path, text));
        let settings = settle(&[Document::new("settings", settings)], None, &mut Findings::default()).0;
        let (root, guest) = (scratch.root(), Guest::read(&scratch.root()).unwrap());
        let (reach, drives) = (Reach::Up, Drives::default());
        probe(&Context { root: &root, guest: &guest, settings: &settings, reach, kept: None, drives })
    };
    let amazon = probed(AMAZON, "");
    let reason = "the firmware names `Amazon EC2`; it is at http://169.254.169.254 or http://[fd00:ec2::254]";
    assert_eq!((amazon.certainty, amazon.reason.as_str()), (Certainty::Expected, reason));
    for (file, who) in [
        ("/proc/cmdline", "the kernel's command line"),
        ("/sys/class/dmi/id/product_serial", "the firmware's serial number"),
    ] {
        let asked = probed(&[(file, "ds=ec2\n")], "");
        let reason = format!("{who} says `ds=ec2`; it is at http://169.254.169.254");
        assert_eq!((asked.certainty, asked.reason), (Certainty::Expected, reason));
    }
    let kvm = &[("/sys/class/dmi/id/sys_vendor", "QEMU")];
    assert_eq!(probed(kvm, "").certainty, Certainty::Unlikely);
    assert_eq!(probed(kvm, "firstlight: {datasources: [nocloud, ec2]}").certainty, Certainty::Possible);
}

#[test]
fn a_way_is_asked_for_the_addresses_that_it_leads_to() {
    let interface =
        |has_ipv4, has_ipv6| Interface { name: "ens5".to_owned(), index: 2, has_ipv4, has_ipv6, names: None };
    let way = |has_ipv4, has_ipv6| Way { interface: Some(interface(has_ipv4, has_ipv6)) };
    assert_eq!(bases(None, &Way::routed(), true), [IPV4, IPV6]);
    assert_eq!(bases(None, &Way::routed(), false), [IPV4]);
    assert_eq!(bases(None, &way(false, true), true), [IPV6]);
    assert_eq!(bases(None, &way(false, true), false), [""; 0]);
    assert_eq!(bases(None, &way(true, false), true), [IPV4]);
}
