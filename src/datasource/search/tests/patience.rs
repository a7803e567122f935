// SPDX-License-Identifier: Apache-2.0
//! How long servers are asked, and how often.

use super::*;
use crate::config::base::MetadataService;
use crate::datasource::openstack;
use crate::finding::Located;
use crate::http::scripted::{Answer, Scripted, raw, whole};

#[test]
fn patience_ends_with_an_error_that_names_the_instance_that_stays() {
    let mut world = World::up();
    let machine = Some(world.guest.dmi.product_uuid.clone());
    world.kept = Some(Kept { id: "i-1".to_owned(), datasource: "openstack".to_owned(), machine });
    let fakes = [Fake::local(&[Unlikely], gone), Fake::local(&[Unlikely], gone), Fake::remote(&[Expected], busy)];
    // A machine that is known waits no longer than for a medium: a second.
    let story = world.find(&fakes);
    assert_eq!(story.outcomes(), [Absent, Absent, Failed]);
    assert!(story.took < Duration::from_secs(9), "{:?}", story.took);
    assert_eq!(story.said().len(), 1);
    assert!(story.said()[0].contains("no metadata: busy (by the network); instance i-1 stays as it is"));
}

#[test]
fn only_who_is_certain_and_not_known_is_worth_a_long_wait() {
    let patience = |certainty: &'static [Certainty], kept: Option<(&str, &str)>, at_most: Option<u64>| {
        FAKES.set(vec![(Fake::remote(certainty, good), 0, Vec::new())]);
        let World { root, mut guest, settings, reach, .. } = World::up();
        guest.dmi.product_uuid = "a-uuid".to_owned();
        let kept = kept.map(|(datasource, machine)| Kept {
            id: "i-1".to_owned(),
            datasource: datasource.to_owned(),
            machine: Some(machine.to_owned()),
        });
        let drives = Drives::default();
        let context = Context { root: &root, guest: &guest, settings: &settings, reach, kept, drives };
        let at_most = at_most.map(Duration::from_secs);
        Search { at_most, ..Search::new(&context, [datasource::<0>(true)].into_iter()) }.patience().as_secs()
    };
    assert_eq!(patience(&[Expected], None, None), 120);
    assert_eq!(patience(&[Expected], None, Some(20)), 20);
    assert_eq!(patience(&[Possible], None, None), 1);
    assert_eq!(patience(&[Expected], Some(("config-drive", "a-uuid")), None), 1);
    assert_eq!(patience(&[Expected], Some(("config-drive", "another")), None), 120, "a clone");
    assert_eq!(patience(&[Expected], Some(("nocloud", "a-uuid")), None), 120);
}

#[test]
fn no_question_is_waited_for_that_would_come_after_the_deadline() {
    let patient = |_: usize, _: Option<&str>, _: &mut Findings| {
        Err(Error::transient("busy").not_before(Duration::from_secs(3600)))
    };
    let story = World::up().find(&[Fake::remote(&[Expected], patient)]);
    assert_eq!((story.outcomes(), story.fetched[0].len()), (vec![Failed], 1));
    assert!(story.took < QUICK, "{:?}", story.took);
}

#[test]
fn the_longest_pause_that_a_server_asks_for_counts() {
    let patient = |count: usize, _: Option<&str>, _: &mut Findings| match count {
        0 => Err(Error::transient("busy").not_before(Duration::from_secs(2))),
        _ => Ok(()),
    };
    let story = World::up().find(&[Fake::remote(&[Expected], patient), Fake::remote(&[Expected], busy)]);
    assert_eq!(story.found(), Some("config-drive"));
    assert!(story.took >= Duration::from_secs(2), "{:?}", story.took);
}

/// What OpenStack's search comes to with a server that answers so, and the number of requests.
fn at_a_server(mut world: World, answers: Vec<Answer>) -> (Detection, usize) {
    let server = Scripted::start(answers);
    let url = Located::new(server.url(""), Origin::document("settings"));
    world.settings.openstack = Some(MetadataService { metadata_urls: Some(vec![url]), ..MetadataService::default() });
    let World { root, guest, settings, reach, kept, ways_up } = world;
    let drives = Drives::default();
    let context = Context { root: &root, guest: &guest, settings: &settings, reach, kept, drives };
    let mut search = Search { ways_up, ..Search::new(&context, [&openstack::DATASOURCE].into_iter()) };
    search.candidates.iter_mut().for_each(|candidate| candidate.certainty = Expected);
    (search.find(), server.requests().len())
}

fn tree() -> Vec<Answer> {
    let none = || whole("404 Not Found", "", "");
    let meta = whole("200 OK", "", r#"{"uuid": "i-1"}"#);
    vec![whole("200 OK", "", "2018-08-27"), meta, none(), none(), none(), none()]
}

#[test]
fn a_server_that_starts_is_asked_until_it_has_started() {
    let unready = [whole("503 Service Unavailable", "", ""), raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")];
    let (detection, requests) = at_a_server(World::up(), unready.into_iter().chain(tree()).collect());
    let found = detection.found.map(|fetched| fetched.seed.datasource);
    assert_eq!((found.as_deref(), requests), (Some("openstack"), 8), "{:?}", detection.tried);
}

#[test]
fn without_any_wait_there_is_still_one_try() {
    let mut world = World::up();
    world.settings.wait = Some(Duration::ZERO);
    let machine = Some(world.guest.dmi.product_uuid.clone());
    world.kept = Some(Kept { id: "i-1".to_owned(), datasource: "openstack".to_owned(), machine });
    let (detection, requests) = at_a_server(world, tree());
    assert!(detection.found.is_some() && requests == 6, "{:?}", detection.tried);
}

#[test]
fn nothing_is_waited_for_longer_than_the_units_give_a_stage() {
    let root = Scratch::new().root();
    let (guest, settings, hour) = (Guest::read(&root).unwrap(), Default::default(), Duration::from_secs(3600));
    let waited = |reach, asked| {
        let (kept, drives) = (None, Drives::default());
        let context = Context { root: &root, guest: &guest, settings: &settings, reach, kept, drives };
        let (candidates, findings) = (Vec::new(), Findings::default());
        let mut search = Search { candidates, findings, ..Search::new(&context, std::iter::empty()) };
        (search.bounded("max_wait", asked).as_secs(), search.findings.iter().count())
    };
    assert_eq!((waited(Reach::Later, hour), waited(Reach::Up, hour)), ((240, 1), (600, 1)));
    assert_eq!(waited(Reach::Later, Duration::from_secs(9)), (9, 0));
}
