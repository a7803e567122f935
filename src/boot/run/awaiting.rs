// SPDX-License-Identifier: Apache-2.0
//! Tests of the road where user-data names documents that need the network.

use super::*;
use crate::http::scripted::{Scripted, whole};
use crate::scratch::Scratch;
use crate::seed::{Document, Seed};

/// What is decided for an instance with that user-data.
pub(super) fn decided(options: &Options, user_data: Option<&str>, remote: Remote) -> Decision {
    let meta_data = Document::new("meta_data.json", "{\"uuid\": \"i-1\", \"hostname\": \"from-platform\"}");
    let user_data = user_data.map(|text| Document::new("user_data", text));
    let seed = Seed { user_data, ..Seed::new("config-drive", "/config-drive", meta_data) };
    decide_for(options, seed, remote, Findings::default()).unwrap()
}

/// A run of these stages on a scratch root, whose server is asked as `remote` says; the steps that it did.
fn runs(options: &Options, user_data: &str, stages: &[Stage], remote: Remote) -> Vec<String> {
    let decision = decided(options, Some(user_data), remote);
    let mut journal = Journal::read(&options.root, "i-1").unwrap();
    let now = stages_now(stages, &decision.known, false, journal.completed(Stage::Local));
    let mut status = Status::default();
    status.found(&decision.findings, &now);
    apply(options, &decision, &now, &mut journal, &mut status).unwrap();
    if now.contains(&Stage::Local) {
        want_later(options, &decision, &now, &mut journal).unwrap();
        want_network(options, &decision, &now).unwrap();
    }
    let mut steps: Vec<String> =
        status.stages.values().flat_map(|stage| &stage.steps).map(|step| step.name.clone()).collect();
    steps.extend(
        decision.findings.iter().filter(|told| told.severity == Severity::Error).map(|told| told.message.clone()),
    );
    steps
}

fn bare_guest() -> (Scratch, Options) {
    let scratch = Scratch::new();
    scratch.file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    scratch.file("/etc/group", "root:x:0:\n");
    scratch.file("/etc/shadow", "root:*:19000:0:99999:7:::\n");
    let options = Options { root: scratch.root(), source: None, config: None };
    (scratch, options)
}

#[test]
fn what_user_data_asks_for_waits_until_all_of_it_is_known() {
    let (scratch, options) = bare_guest();
    let part = "#cloud-config\nhostname: from-part\nusers: []\nwrite_files: [{path: /etc/part, content: x}]\n";
    let server = Scripted::start(vec![whole("200 OK", "", part)]);
    let user_data = format!("#include\n{}\n", server.url("/part"));
    let (local, network) = ([Stage::Local], [Stage::Network]);

    assert_eq!(runs(&options, &user_data, &local, Remote::Later), ["hostname (for now)"]);
    assert_eq!(scratch.text("/etc/hostname"), "from-platform\n");
    assert!(!Journal::read(&options.root, "i-1").unwrap().completed(Stage::Local));
    assert_eq!(options.root.list(state::WANTED.as_ref()).unwrap(), ["network", report::ONLINE]);
    assert_eq!(server.requests().len(), 0);

    let done = runs(&options, &user_data, &network, Remote::Now);
    assert!(["hostname", "write_files /etc/part"].iter().all(|step| done.contains(&(*step).to_owned())), "{done:?}");
    assert_eq!(scratch.text("/etc/hostname"), "from-part\n");
    let journal = Journal::read(&options.root, "i-1").unwrap();
    assert!([Stage::Local, Stage::Network].iter().all(|stage| journal.completed(*stage)), "the last has words to say");
    assert_eq!(options.root.list(state::WANTED.as_ref()).unwrap(), ["final", "network", report::ONLINE]);

    // The server has gone. The next boot's local stage knows all, and nothing is due.
    assert!(runs(&options, &user_data, &local, Remote::Later).iter().all(|step| step == "hosts"));
    assert_eq!(scratch.text("/etc/hostname"), "from-part\n");
}

#[test]
fn a_part_that_cannot_be_had_costs_itself_and_is_tried_again_by_the_next_boot() {
    let (scratch, options) = bare_guest();
    scratch.file("/etc/known", "#cloud-config\nhostname: from-known\nusers: []\n");
    let part = "#cloud-config\nwrite_files: [{path: /etc/part, content: x}]\n";
    let server = Scripted::start(vec![whole("403 Forbidden", "", ""), whole("200 OK", "", part)]);
    let user_data = format!("#include\nfile:///etc/known\n{}\n", server.url("/part"));

    runs(&options, &user_data, &[Stage::Local], Remote::Later);
    let done = runs(&options, &user_data, &[Stage::Network], Remote::Now);
    assert!(done.last().unwrap().contains("403 Forbidden"), "{done:?}");
    assert_eq!(scratch.text("/etc/hostname"), "from-known\n");
    assert!(!Journal::read(&options.root, "i-1").unwrap().completed(Stage::Local));

    assert_eq!(runs(&options, &user_data, &[Stage::Local], Remote::Later), [""; 0], "the name is the known part's");
    let done = runs(&options, &user_data, &[Stage::Network], Remote::Now);
    assert!(done.contains(&"write_files /etc/part".to_owned()) && !done.contains(&"hostname".to_owned()), "{done:?}");
    assert_eq!(scratch.text("/etc/part"), "x");
    assert!(Journal::read(&options.root, "i-1").unwrap().completed(Stage::Local));
}

#[test]
fn servers_are_asked_by_the_network_stage_of_a_running_system_alone() {
    use Stage::{Final, Local, Network};
    for (stages, live, expected) in [
        (&[Local][..], true, Remote::Later),
        (&Stage::ALL, true, Remote::Later),
        (&[Network], true, Remote::Now),
        (&[Network, Final], true, Remote::Now),
        (&[Final], true, Remote::Never),
        (&[Network], false, Remote::Later),
    ] {
        assert_eq!(remote(stages, live), expected, "{stages:?}");
    }
}
