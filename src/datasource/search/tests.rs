// SPDX-License-Identifier: Apache-2.0
//! Searches for datasources that do as the test says: in which order, how often and by which way they are asked.

use std::cell::RefCell;

use super::*;
use crate::config::base::Settings;
use crate::datasource::{Drives, Kept, Probe, Reach, Service, none};
use crate::error::{Error, Result};
use crate::guest::Guest;
use crate::http::Interface;
use crate::network::render::Renderer;
use crate::root::Root;
use crate::scratch::Scratch;

mod patience;

/// A datasource that does as it is told.
#[derive(Clone, Copy)]
struct Fake {
    is_remote: bool,
    /// What each look gives; the last one for all that follow.
    looks: &'static [Certainty],
    /// What comes of fetching it for the so-many-th time, from 0, by that way.
    gives: fn(usize, Option<&str>, &mut Findings) -> Result<()>,
}

impl Fake {
    fn local(looks: &'static [Certainty], gives: fn(usize, Option<&str>, &mut Findings) -> Result<()>) -> Self {
        Self { is_remote: false, looks, gives }
    }

    fn remote(looks: &'static [Certainty], gives: fn(usize, Option<&str>, &mut Findings) -> Result<()>) -> Self {
        Self { is_remote: true, looks, gives }
    }
}

thread_local! {
    /// Those of this test, with the number of looks and the ways of all fetches.
    static FAKES: RefCell<Vec<(Fake, usize, Vec<String>)>> = const { RefCell::new(Vec::new()) };
}

const NAMES: [&str; 4] = ["config-drive", "nocloud", "openstack", "ec2"];

fn probe<const N: usize>(_: &Context) -> Probe {
    FAKES.with_borrow_mut(|fakes| {
        let (fake, looks, _) = &mut fakes[N];
        *looks += 1;
        Probe { certainty: fake.looks[(*looks).min(fake.looks.len()) - 1], reason: format!("look {looks}") }
    })
}

fn fetch<const N: usize>(context: &Context, service: Option<&Service>, findings: &mut Findings) -> Result<Fetched> {
    let way = service.map(|service| service.way().to_string());
    let (fake, count) = FAKES.with_borrow_mut(|fakes| {
        let (fake, _, ways) = &mut fakes[N];
        ways.push(way.clone().unwrap_or_else(|| "here".to_owned()));
        (*fake, ways.len() - 1)
    });
    (fake.gives)(count, way.as_deref(), findings)?;
    let mut fetched = (none::DATASOURCE.fetch)(context, None, findings)?;
    (fetched.seed.datasource, fetched.seed.place) = (NAMES[N].to_owned(), "a place".to_owned());
    Ok(fetched)
}

fn datasource<const N: usize>(is_remote: bool) -> &'static Datasource {
    Box::leak(Box::new(Datasource { name: NAMES[N], is_remote, probe: probe::<N>, fetch: fetch::<N> }))
}

/// Where and for how long these searches are.
struct World {
    root: Root,
    guest: Guest,
    settings: Settings,
    reach: Reach,
    kept: Option<Kept>,
    ways_up: fn() -> Vec<Way>,
}

/// What came of one.
struct Story {
    detection: Detection,
    /// Of each datasource the ways by which it was fetched.
    fetched: Vec<Vec<String>>,
    took: Duration,
}

impl Story {
    fn found(&self) -> Option<&str> {
        self.detection.found.as_ref().map(|fetched| fetched.seed.datasource.as_str())
    }

    fn outcomes(&self) -> Vec<Outcome> {
        self.detection.tried.iter().map(|tried| tried.outcome).collect()
    }

    fn reasons(&self) -> Vec<&str> {
        self.detection.tried.iter().map(|tried| tried.reason.as_str()).collect()
    }

    fn said(&self) -> Vec<String> {
        self.detection.findings.iter().map(ToString::to_string).collect()
    }
}

fn by(name: &str) -> Way {
    Way { interface: Some(Interface { name: name.to_owned(), index: 2, has_ipv4: true, has_ipv6: false, names: None }) }
}

impl World {
    /// A machine that is up, with one way; it waits for a second.
    fn up() -> Self {
        // The running system, as only there anything is waited for; nothing is read of it, nor of its network.
        let (root, guest) = (Root::open("/".as_ref()).unwrap(), Guest::read(&Scratch::new().root()).unwrap());
        let settings = Settings { wait: Some(Duration::from_secs(1)), ..Settings::default() };
        Self { root, guest, settings, reach: Reach::Up, kept: None, ways_up: || vec![Way::routed()] }
    }

    /// The same with a second way.
    fn with_two_ways() -> Self {
        Self { ways_up: || vec![Way::routed(), by("eth1")], ..Self::up() }
    }

    fn find(self, fakes: &[Fake]) -> Story {
        FAKES.set(fakes.iter().map(|fake| (*fake, 0, Vec::new())).collect());
        let all = [datasource::<0>, datasource::<1>, datasource::<2>, datasource::<3>];
        let datasources: Vec<_> = all.iter().zip(fakes).map(|(new, fake)| new(fake.is_remote)).collect();
        let Self { root, guest, settings, reach, kept, ways_up } = self;
        let drives = Drives::default();
        let context = Context { root: &root, guest: &guest, settings: &settings, reach, kept, drives };
        let start = Instant::now();
        let detection = Search { ways_up, ..Search::new(&context, datasources.into_iter()) }.find();
        let took = start.elapsed();
        Story { detection, fetched: FAKES.take().into_iter().map(|(_, _, ways)| ways).collect(), took }
    }
}

use Certainty::{Asked, Expected, Here, Possible, Unlikely};
use Outcome::{Absent, Awaited, Failed, Found, Known, Skipped};

const QUICK: Duration = Duration::from_millis(900);

fn good(_: usize, _: Option<&str>, _: &mut Findings) -> Result<()> {
    Ok(())
}

fn busy(_: usize, _: Option<&str>, _: &mut Findings) -> Result<()> {
    Err(Error::transient("busy"))
}

fn gone(_: usize, _: Option<&str>, _: &mut Findings) -> Result<()> {
    Err(Error::absent("gone").answered(404))
}

/// As an address of a family that the way does not have.
fn unreachable(_: usize, way: Option<&str>, _: &mut Findings) -> Result<()> {
    Err(Error::absent(format!("{} leads nowhere", way.unwrap_or_default())))
}

#[test]
fn what_is_here_goes_before_servers_and_the_more_certain_first() {
    let story = World::up().find(&[
        Fake::local(&[Here], good),
        Fake::local(&[Asked], good),
        Fake::remote(&[Expected], good),
        Fake::remote(&[Unlikely], good),
    ]);
    assert_eq!(story.found(), Some("nocloud"));
    assert_eq!(story.outcomes(), [Skipped, Found, Skipped, Absent]);
    assert!(story.fetched[0].is_empty() && story.fetched[2].is_empty());
    assert_eq!(story.said().len(), 1, "the one that is here too: {:?}", story.said());
    assert!(story.said()[0].starts_with("config-drive: note: look 1 is here too, and nocloud goes"));
}

#[test]
fn the_first_server_that_answers_ends_the_search() {
    let fakes = [Fake::remote(&[Expected], gone), Fake::remote(&[Expected], good), Fake::remote(&[Expected], good)];
    let story = World::with_two_ways().find(&fakes);
    assert_eq!((story.found(), story.outcomes()), (Some("nocloud"), vec![Skipped, Found, Skipped]));
    assert_eq!(story.fetched, [vec!["the network"], vec!["the network"], vec![]]);
    assert!(story.took < QUICK);
}

#[test]
fn one_that_is_only_possible_is_asked_once_by_each_way() {
    let story = World::with_two_ways().find(&[Fake::remote(&[Possible], busy)]);
    assert_eq!((story.found(), story.outcomes()), (None, vec![Absent]));
    assert_eq!(story.fetched, [["the network", "eth1"]]);
    assert!(story.took < QUICK && story.said().is_empty(), "{:?}", story.said());
    assert_eq!(story.reasons(), ["busy (by eth1)"]);
    let story = World::up().find(&[Fake::remote(&[Unlikely], good)]);
    assert_eq!(
        (story.outcomes(), story.fetched, story.detection.tried[0].reason.as_str()),
        (vec![Absent], vec![vec![]], "look 1")
    );
}

#[test]
fn what_one_way_does_not_lead_to_may_be_on_another() {
    let second = |_: usize, way: Option<&str>, _: &mut Findings| match way {
        Some("eth1") => Ok(()),
        _ => Err(Error::absent("nobody")),
    };
    let story = World::with_two_ways().find(&[Fake::remote(&[Expected], second)]);
    assert_eq!(
        (story.found(), &*story.fetched[0]),
        (Some("config-drive"), &["the network".to_owned(), "eth1".into()][..])
    );
    let story = World::with_two_ways().find(&[Fake::remote(&[Expected], gone)]);
    assert_eq!((story.outcomes(), story.fetched[0].len()), (vec![Absent], 2), "every way says so");
    assert!(story.took < QUICK && story.said().is_empty());
    // A way that says no is not asked again while the other one is busy.
    let late = |count: usize, way: Option<&str>, _: &mut Findings| match (way, count) {
        (Some("eth1"), 3..) => Ok(()),
        (Some("eth1"), _) => Err(Error::transient("busy")),
        _ => Err(Error::absent("nobody")),
    };
    let story = World::with_two_ways().find(&[Fake::remote(&[Expected], late)]);
    assert_eq!(story.fetched, [["the network", "eth1", "eth1", "eth1"]]);
}

#[test]
fn what_is_busy_is_asked_again_and_what_it_says_is_said_once() {
    let third = |count: usize, _: Option<&str>, findings: &mut Findings| {
        findings.push(Finding::warning(&Origin::document("seed"), "odd"));
        if count < 2 { Err(Error::transient("busy")) } else { Ok(()) }
    };
    let story = World::up().find(&[Fake::remote(&[Expected], third)]);
    assert_eq!((story.found(), story.fetched[0].len()), (Some("config-drive"), 3));
    assert_eq!(story.said(), ["seed: warning: odd"]);
    assert!((1000..9000).contains(&story.took.as_millis()), "two pauses: {:?}", story.took);
}

#[test]
fn what_is_final_ends_its_way_and_is_said_where_no_other_is_better() {
    fn refused(_: usize, _: Option<&str>, _: &mut Findings) -> Result<()> {
        Err(Error::fatal("it is switched off"))
    }
    let story = World::with_two_ways().find(&[Fake::remote(&[Expected], refused)]);
    assert_eq!((story.found(), story.outcomes(), story.fetched[0].len()), (None, vec![Failed], 2));
    assert_eq!(
        (story.reasons(), story.said()),
        (vec!["it is switched off"], vec!["config-drive: error: it is switched off".to_owned()])
    );
    assert!(story.took < QUICK);
    // A stranger at the address that all clouds use must not hide the service behind another card.
    let stranger = |count: usize, way: Option<&str>, findings: &mut Findings| match (way, count) {
        (Some("eth1"), 3..) => Ok(()),
        (Some("eth1"), _) => Err(Error::transient("busy")),
        _ => refused(count, way, findings),
    };
    let story = World::with_two_ways().find(&[Fake::remote(&[Expected], stranger)]);
    assert_eq!((story.found(), story.said()), (Some("config-drive"), Vec::new()), "{:?}", story.reasons());
    assert_eq!(story.fetched, [["the network", "eth1", "eth1", "eth1"]], "the stranger is asked once");
    let only_stranger = |count: usize, way: Option<&str>, findings: &mut Findings| match way {
        Some("eth1") => Err(Error::absent("nobody")),
        _ => refused(count, way, findings),
    };
    let story = World::with_two_ways().find(&[Fake::remote(&[Possible], only_stranger)]);
    assert_eq!((story.outcomes(), story.reasons()), (vec![Failed], vec!["it is switched off"]));
    // Neighbours are asked all the same.
    let story = World::up().find(&[Fake::remote(&[Expected], refused), Fake::remote(&[Expected], good)]);
    assert_eq!((story.found(), story.outcomes()), (Some("nocloud"), vec![Failed, Found]));
    let broken = |_: usize, _: Option<&str>, _: &mut Findings| Err(Error::malformed("it is damaged"));
    let story = World::up().find(&[Fake::local(&[Here], broken), Fake::local(&[Here], good)]);
    assert_eq!((story.found(), story.outcomes()), (Some("nocloud"), vec![Failed, Found]));
}

#[test]
fn the_firmware_s_word_for_a_known_instance_saves_the_question() {
    let mut world = World::up();
    world.guest.dmi.product_uuid = "83679162-1378-4288-a2d4-70e13ec132aa".to_owned();
    let id = world.guest.dmi.product_uuid.clone();
    world.kept = Some(Kept { id, datasource: "config-drive".to_owned(), machine: None });
    // Nothing need come for it any more either.
    let story = world.find(&[Fake::remote(&[Expected], good), Fake::local(&[Expected], gone)]);
    assert_eq!((story.found(), story.outcomes()), (None, vec![Known, Absent]));
    assert!(story.fetched[0].is_empty() && story.took < QUICK);
    assert_eq!(story.reasons()[1], "look 1", "it was not waited for");
    let mut world = World::up();
    world.guest.dmi.product_uuid = "83679162-1378-4288-a2d4-70e13ec132aa".to_owned();
    let id = world.guest.dmi.product_uuid.clone();
    world.kept = Some(Kept { id, datasource: "nocloud".to_owned(), machine: None });
    assert_eq!(world.find(&[Fake::remote(&[Expected], good)]).outcomes(), [Found], "it is of another datasource");
}

#[test]
fn a_way_that_leads_nowhere_is_no_answer() {
    let story = World::with_two_ways().find(&[Fake::remote(&[Expected], unreachable)]);
    assert_eq!((story.outcomes(), story.said().len()), (vec![Failed], 1), "{:?}", story.reasons());
    let story = World::with_two_ways().find(&[Fake::remote(&[Expected], gone)]);
    assert_eq!((story.outcomes(), story.said().len()), (vec![Absent], 0), "{:?}", story.reasons());
}

#[test]
fn the_image_alone_does_where_nobody_is_left_to_be_asked() {
    const FALLBACK: Fake = Fake { is_remote: false, looks: &[Certainty::Fallback], gives: good };
    let story = World::up().find(&[FALLBACK, Fake::remote(&[Expected], gone)]);
    assert_eq!((story.found(), story.outcomes()), (Some("config-drive"), vec![Found, Absent]));
    let early = World { reach: Reach::Later, ..World::up() };
    let story = early.find(&[FALLBACK, Fake::remote(&[Expected], good)]);
    assert_eq!((story.found(), story.outcomes()), (None, vec![Absent, Awaited]));
}

#[test]
fn what_the_cards_do_not_lead_to_is_left_to_the_network_stage_where_it_has_a_network() {
    // A card that is in the guest's tree alone: none of this machine is brought up.
    let scratch = Scratch::new();
    scratch.file("/sys/class/net/gone0/address", "52:54:00:00:00:01\n");
    scratch.file("/etc/netplan/50-image.yaml", "network: {version: 2}\n");
    let cards = |renderer| World {
        guest: Guest::read(&scratch.root()).unwrap(),
        reach: Reach::Ephemeral { renderer },
        ..World::up()
    };
    let story = cards(Some(Renderer::Netplan)).find(&[Fake::remote(&[Expected], good)]);
    assert_eq!(story.outcomes(), [Awaited]);
    assert_eq!(story.reasons(), ["no network card; asked again when the network is up"]);
    let story = cards(None).find(&[Fake::remote(&[Expected], good)]);
    assert_eq!((story.outcomes(), story.reasons()), (vec![Failed], vec!["no network card"]));
    assert_eq!(story.said().len(), 1);
}

#[test]
fn a_late_medium_and_a_server_are_waited_for_at_once() {
    let fakes = [Fake::local(&[Expected, Expected, Expected, Here], good), Fake::remote(&[Expected], busy)];
    let story = World::up().find(&fakes);
    assert_eq!((story.found(), story.outcomes()), (Some("config-drive"), vec![Found, Skipped]));
    assert!(!story.fetched[1].is_empty() && story.took < Duration::from_secs(5), "{:?}", story.took);
    let late = |count: usize, _: Option<&str>, _: &mut Findings| match count {
        0 => Err(Error::transient("busy")),
        _ => Ok(()),
    };
    let story = World::up().find(&[Fake::local(&[Expected], gone), Fake::remote(&[Expected], late)]);
    assert_eq!((story.found(), story.outcomes()), (Some("nocloud"), vec![Skipped, Found]));
    let story = World::up().find(&[Fake::local(&[Expected], gone)]);
    assert_eq!(story.outcomes(), [Absent]);
    assert!(story.reasons()[0].ends_with("; it was waited for 1s"), "{:?}", story.reasons());
    assert!((1000..5000).contains(&story.took.as_millis()), "{:?}", story.took);
}

/// What it is on a medium that says it is on a server.
fn on_a_server(_: usize, way: Option<&str>, _: &mut Findings) -> Result<()> {
    if way.is_some() { Ok(()) } else { Err(Error::transient("it is on a server")) }
}

#[test]
fn what_a_medium_leads_to_is_asked_for_however_late_it_comes() {
    for looks in [&[Here][..], &[Expected, Expected, Here]] {
        let story = World::up().find(&[Fake::local(looks, on_a_server)]);
        assert_eq!((story.found(), story.outcomes()), (Some("config-drive"), vec![Found]), "{:?}", story.reasons());
        // Beside another one that is asked already.
        let story = World::up().find(&[Fake::local(looks, on_a_server), Fake::remote(&[Expected], busy)]);
        assert_eq!((story.found(), story.outcomes()), (Some("config-drive"), vec![Found, Skipped]));
        let early = World { reach: Reach::Later, ..World::up() };
        let story = early.find(&[Fake::local(looks, on_a_server)]);
        assert_eq!(story.outcomes(), [Awaited], "{:?}", story.said());
        assert_eq!(story.reasons(), ["it is on a server; asked when the network is up"]);
    }
}

#[test]
fn before_the_network_and_for_a_look_nobody_is_asked() {
    for (reach, outcome) in [
        (Reach::Later, Awaited),
        (Reach::Look("a boot asks"), Awaited),
        (Reach::Nowhere("an image asks no server"), Absent),
    ] {
        let story =
            World { reach, ..World::up() }.find(&[Fake::remote(&[Expected], good), Fake::remote(&[Unlikely], good)]);
        assert_eq!((story.found(), story.outcomes()), (None, vec![outcome, Absent]));
        assert!(story.fetched.iter().all(Vec::is_empty) && story.took < QUICK);
        assert_eq!(story.detection.awaits_network(), outcome == Awaited);
    }
}
