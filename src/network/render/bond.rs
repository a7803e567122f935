// SPDX-License-Identifier: Apache-2.0
//! The options of a bond in the kernel's words, as far as they go together.

use crate::finding::Located;
use crate::guest::Nic;
use crate::network::model::NetworkConfig;
use crate::network::model::options::{Form, Setting, get};
use crate::network::render::interface_named;
use crate::network::render::unsaid::Unsaid;

/// The mode that a bond has of which nothing is said.
const MODE: &str = "balance-rr";

/// The options and their values, the mode first, as the kernel refuses others without it. What has no meaning beside
/// the others is reported: the kernel refuses it, `NetworkManager` and wicked the whole bond.
pub(super) fn options(
    settings: &[Located<Setting>],
    config: &NetworkConfig,
    nics: Option<&[Nic]>,
    unsaid: &mut Unsaid,
) -> Vec<(&'static str, String)> {
    let mut options = vec![("mode", get(settings, "mode").unwrap_or(MODE).to_owned())];
    for setting in settings.iter().filter(|setting| setting.option.kernel != "mode") {
        let option = setting.option.kernel;
        let value = match setting.option.form {
            Form::Member => interface_named(&setting.value.value, config, nics),
            _ => Some(setting.value.value.clone()),
        };
        match value.filter(|_| goes_with(option, settings)) {
            Some(value) => options.push((option, value)),
            None => unsaid.say(&setting.origin, &["`", option, "` in a bond of this mode and monitoring"].concat()),
        }
    }
    options
}

/// Whether an option has a meaning beside the others (Documentation/networking/bonding.rst).
fn goes_with(option: &str, settings: &[Located<Setting>]) -> bool {
    let mode = get(settings, "mode").unwrap_or(MODE);
    let is_on = |option| get(settings, option).is_some_and(|interval| interval != "0");
    let balances = ["balance-tlb", "balance-alb"].contains(&mode);
    match option {
        "arp_interval" | "arp_ip_target" | "arp_validate" | "arp_all_targets" => {
            // Targets of IPv6 are another option of the kernel's.
            let targets = get(settings, "arp_ip_target").is_some_and(|targets| !targets.contains(':'));
            let asks = is_on("arp_interval") && targets && !is_on("miimon");
            asks && mode != "802.3ad" && !balances
        }
        "updelay" | "downdelay" => is_on("miimon"),
        "primary" => mode == "active-backup" || balances,
        "lacp_rate" | "ad_actor_sys_prio" | "ad_user_port_key" => mode == "802.3ad",
        "packets_per_slave" => mode == MODE,
        "tlb_dynamic_lb" => balances,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Findings, Origin};
    use crate::network::model::options::{BOND, LinkOption};
    use crate::network::render::Renderer;

    fn kept(settings: &[(&str, &str)]) -> (String, usize) {
        let origin = Origin::document("d");
        let setting = |(name, value): &(&str, &str)| {
            let option = LinkOption::named(BOND, name).unwrap();
            Located::new(Setting { option, value: (*value).to_owned(), member: None }, origin.clone())
        };
        let settings: Vec<_> = settings.iter().map(setting).collect();
        let config = NetworkConfig::new(origin.clone());
        let mut findings = Findings::default();
        let kept = options(&settings, &config, None, &mut Unsaid::new(Renderer::Sysconfig, &mut findings));
        let kept: Vec<String> = kept.iter().map(|(option, value)| format!("{option}={value}")).collect();
        (kept.join(" "), findings.iter().count())
    }

    #[test]
    fn the_mode_stands_first_and_one_is_always_there() {
        assert_eq!(kept(&[]), ("mode=balance-rr".to_owned(), 0));
        let lacp = [("lacp_rate", "fast"), ("mode", "802.3ad")];
        assert_eq!(kept(&lacp), ("mode=802.3ad lacp_rate=fast".to_owned(), 0));
    }

    #[test]
    fn what_the_kernel_would_refuse_is_reported_and_costs_only_itself() {
        let delay = [("mode", "active-backup"), ("updelay", "200"), ("miimon", "0"), ("min_links", "1")];
        assert_eq!(kept(&delay), ("mode=active-backup miimon=0 min_links=1".to_owned(), 1));
        let both =
            [("mode", "active-backup"), ("miimon", "100"), ("arp_interval", "100"), ("arp_ip_target", "192.0.2.1")];
        assert_eq!(kept(&both), ("mode=active-backup miimon=100".to_owned(), 2));
        let arp = [("mode", "active-backup"), ("arp_interval", "100"), ("arp_ip_target", "192.0.2.1")];
        assert_eq!(kept(&arp), ("mode=active-backup arp_interval=100 arp_ip_target=192.0.2.1".to_owned(), 0));
        assert_eq!(kept(&[("primary", "a")]), ("mode=balance-rr".to_owned(), 1));
    }
}
