// SPDX-License-Identifier: Apache-2.0
//! Tests of the road where the network stage goes on with the search.

use super::*;
use crate::scratch::Scratch;

/// A guest whose local stage has found nothing yet, with that user-data where the search will come to it.
fn searching(user_data: Option<&str>) -> (Scratch, Options) {
    let scratch = Scratch::new();
    scratch.file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    scratch.file("/etc/group", "root:x:0:\n");
    scratch.file("/etc/shadow", "root:*:19000:0:99999:7:::\n");
    let options = Options { root: scratch.root(), source: None, config: None };
    report::begin(&options.root).unwrap();
    scratch.file(state::SEARCH, "");
    if let Some(user_data) = user_data {
        scratch.file("/etc/firstlight/seed/meta-data", "{instance-id: i-1, local-hostname: sought}");
        scratch.file("/etc/firstlight/seed/user-data", user_data);
    }
    (scratch, options)
}

const USER_DATA: &str = "#cloud-config\nusers: []\nruncmd: [\"true\"]\nwrite_files: [{path: /etc/made, content: x}]\n";

#[test]
fn the_network_stage_does_what_the_local_one_would_have_done() {
    let (scratch, options) = searching(Some(USER_DATA));
    let status = run(&options, &[Stage::Network]).unwrap();
    assert_eq!(status.instance_id.as_deref(), Some("i-1"));
    assert_eq!(status.stages.keys().collect::<Vec<_>>(), ["local", "network"]);
    assert_eq!(scratch.text("/etc/hostname"), "sought\n");
    assert_eq!(scratch.text("/etc/made"), "x");
    assert!(options.root.list(state::WANTED.as_ref()).unwrap().contains(&"final".to_owned()));
    assert!(!options.root.exists(state::SEARCH.as_ref()), "it is over");
    // The next time it looks for nothing.
    std::fs::remove_dir_all(scratch.path("/etc/firstlight/seed")).unwrap();
    let again = run(&options, &[Stage::Network]).unwrap();
    assert_eq!((again.instance_id.as_deref(), again.steps_now), (Some("i-1"), 0));
}

#[test]
fn a_network_stage_that_was_cut_off_is_made_up_for() {
    let (scratch, options) = searching(Some(USER_DATA));
    run(&options, &[Stage::Network]).unwrap();
    // As it is when the power goes after the last step.
    scratch.file(state::SEARCH, "");
    report::unwanted(&options.root, "final").unwrap();
    run(&options, &[Stage::Network]).unwrap();
    assert!(options.root.list(state::WANTED.as_ref()).unwrap().contains(&"final".to_owned()));
    assert!(!options.root.exists(state::SEARCH.as_ref()));
}

#[test]
fn the_search_is_the_network_stages_alone_and_ends_where_there_is_nothing() {
    let (_scratch, options) = searching(None);
    run(&options, &[Stage::Final]).unwrap();
    assert!(options.root.exists(state::SEARCH.as_ref()), "the final stage by hand looks for nothing");
    let status = run(&options, &[Stage::Network]).unwrap();
    assert_eq!((status.status, status.instance_id), (Outcome::NoSeed, None));
    assert!(!options.root.exists(state::SEARCH.as_ref()));
}
