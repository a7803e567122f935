// SPDX-License-Identifier: Apache-2.0
//! The properties of an OVF environment (DMTF's DSP0243): an XML document that vSphere and vCloud Director hand to a guest.
//!
//! They are those of the first machine named, this one; what stands below `Entity` is of others, and is left out.

use quick_xml::XmlVersion::Implicit1_0;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Error as XmlError, Reader};

use crate::config::document::{Data, Node, Scalar};
use crate::error::{Error, Result};
use crate::finding::{Finding, Origin};
use crate::seed::Document;

/// Bytes of the document.
const SIZE_LIMIT: usize = 4 << 20;
/// Elements within elements.
const DEPTH_LIMIT: usize = 64;
/// Properties of the machine.
const PROPERTIES_LIMIT: usize = 1000;

/// Properties that are meta-data, in the words of NoCloud.
const META_DATA: [&str; 6] = ["instance-id", "local-hostname", "hostname", "public-keys", "seedfrom", "dsmode"];
/// Those that are documents of their own, or belong into one.
pub const DOCUMENTS: [&str; 3] = ["user-data", "network-config", "password"];

/// One property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub key: String,
    /// Its value, which may be secret.
    pub value: String,
    /// Where it stands.
    pub origin: Origin,
}

impl Property {
    /// Whether it says something to this agent, not only to the programs of the image.
    pub fn has_a_meaning(&self) -> bool {
        !self.value.trim().is_empty()
            && META_DATA.iter().chain(&DOCUMENTS).any(|name| *name == self.key && *name != "dsmode")
    }
}

/// The properties of the document; of two with the same key the last one counts.
///
/// # Errors
/// Malformed, with the place: it is no OVF environment, or goes past a bound. No document type is read, so an entity
/// stands for no more than itself.
pub fn properties(document: &Document) -> Result<Vec<Property>> {
    let origin = document.origin();
    match std::str::from_utf8(&document.bytes) {
        Ok(text) => read(text, &origin),
        Err(_) => Err(wrong(&origin, "not UTF-8 text")),
    }
}

/// As meta-data: the properties that have a meaning by their names, all others in `meta`. `None` for what is no XML.
pub(super) fn parse(text: &str, origin: &Origin) -> Option<Result<Node>> {
    is_xml(text).then(|| match is_web_page(text) {
        true => Err(Finding::error(origin, "a web page, and no meta-data")
            .help("servers and proxies answer so where they have no such file: look with curl what is there")
            .into()),
        false => Ok(as_node(read(text, origin)?, origin)),
    })
}

fn is_web_page(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let begins = |start: &str| text.get(..start.len()).is_some_and(|it| it.eq_ignore_ascii_case(start));
    begins("<!doctype html") || begins("<html")
}

/// A mapping in YAML may begin with `<<:`, and with no other tag.
fn is_xml(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    text.starts_with('<')
        && text.as_bytes().get(1).is_some_and(|next| next.is_ascii_alphabetic() || b"?!".contains(next))
}

fn wrong(origin: &Origin, message: impl Into<String>) -> Error {
    let help = "an OVF environment is XML: Environment, PropertySection, Property with `oe:key` and `oe:value`";
    Finding::error(origin, message).help(help).into()
}

fn read(text: &str, document: &Origin) -> Result<Vec<Property>> {
    if text.len() > SIZE_LIMIT {
        return Err(wrong(document, format!("more than {} MiB", SIZE_LIMIT >> 20)));
    }
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = Reader::from_str(text);
    let mut place = Place { text, at: 0, line: 1, column: 1 };
    let mut found: Vec<Property> = Vec::new();
    // Whether each open element is on the way to the properties; the document itself counts as one.
    let mut open = vec![true];
    let mut has_begun = false;
    loop {
        let origin = place.go_to(reader.buffer_position(), document);
        let event = reader.read_event().map_err(|error| {
            let origin = place.go_to(reader.error_position(), document);
            wrong(&origin, format!("not XML: {error}"))
        })?;
        let (element, is_empty) = match event {
            Event::Start(element) => (element, false),
            Event::Empty(element) => (element, true),
            Event::End(_) => {
                open.pop();
                continue;
            }
            Event::DocType(_) => return Err(wrong(&origin, "a document type, which nothing is read of")),
            Event::Eof if open.len() > 1 || !has_begun => return Err(wrong(&origin, "the document is cut off")),
            Event::Eof => return Ok(found),
            _ => continue,
        };
        let level = open.len();
        let name = ["Environment", "PropertySection", "Property"].get(level - 1);
        let is_on_the_way = open.last() == Some(&true) && name.is_some_and(|name| name_of(&element) == *name);
        if level == 1 && !is_on_the_way {
            return Err(wrong(&origin, format!("`{}` where `Environment` should be", name_of(&element))));
        }
        has_begun = true;
        if level == 3 && is_on_the_way {
            let property = property(&element, origin)?;
            found.retain(|other| other.key != property.key);
            found.push(property);
        }
        if !is_empty {
            open.push(is_on_the_way);
        }
        if open.len() > DEPTH_LIMIT || found.len() > PROPERTIES_LIMIT {
            let bounds = format!("more than {PROPERTIES_LIMIT} properties, or deeper than {DEPTH_LIMIT} levels");
            return Err(wrong(document, bounds));
        }
    }
}

/// Without the prefix of its namespace.
fn name_of(element: &BytesStart) -> String {
    element.local_name().as_ref().to_owned()
}

fn property(element: &BytesStart, origin: Origin) -> Result<Property> {
    let (mut key, mut value) = (None, None);
    for attribute in element.attributes().with_checks(false) {
        let text = attribute.map_err(XmlError::from).and_then(|attribute| {
            Ok((attribute.key.local_name().as_ref().to_owned(), attribute.normalized_value(Implicit1_0)?.into_owned()))
        });
        match text.map_err(|error| wrong(&origin, format!("not XML: {error}")))? {
            (name, text) if name == "key" => key = Some(text),
            (name, text) if name == "value" => value = Some(text),
            _ => {}
        }
    }
    match (key, value) {
        (Some(key), Some(value)) => Ok(Property { key, value, origin }),
        _ => Err(wrong(&origin, "a property without `key` or `value`")),
    }
}

/// A place in the text that only goes forward.
struct Place<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    column: usize,
}

impl Place<'_> {
    fn go_to(&mut self, offset: u64, document: &Origin) -> Origin {
        let to = usize::try_from(offset).unwrap_or(usize::MAX).min(self.text.len());
        for character in self.text.get(self.at..to).unwrap_or_default().chars() {
            (self.line, self.column) =
                if character == '\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        }
        self.at = self.at.max(to);
        document.at(self.line, self.column)
    }
}

fn as_node(properties: Vec<Property>, document: &Origin) -> Node {
    let scalar = |origin: &Origin, text: String| Node {
        origin: origin.clone(),
        data: Data::Scalar(Scalar { text, plain: false, tag: None }),
    };
    let (mut meta_data, mut meta) = (Vec::new(), Vec::new());
    for Property { key, value, origin } in properties {
        let (key, entry) = (key.as_str(), (scalar(&origin, key.clone()), scalar(&origin, value.trim().to_owned())));
        if !META_DATA.contains(&key) {
            if !DOCUMENTS.contains(&key) {
                meta.push(entry);
            }
        } else if !value.trim().is_empty() {
            // One that was left empty when the machine was deployed.
            meta_data.push(entry);
        }
    }
    if !meta.is_empty() {
        let meta = Node { origin: document.clone(), data: Data::Mapping(meta) };
        meta_data.push((scalar(document, "meta".to_owned()), meta));
    }
    Node { origin: document.clone(), data: Data::Mapping(meta_data) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As vSphere writes it.
    fn environment(properties: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Environment\n     xmlns=\"http://schemas.dmtf.org/ovf/environment/1\"\n     \
             xmlns:oe=\"http://schemas.dmtf.org/ovf/environment/1\"\n     xmlns:ve=\"http://www.vmware.com/schema/ovfenv\"\n     \
             oe:id=\"\">\n   <PlatformSection>\n      <Kind>VMware ESXi</Kind>\n      <Version>7.0.3</Version>\n   </PlatformSection>\n   \
             <PropertySection>\n{properties}   </PropertySection>\n   <ve:EthernetAdapterSection>\n      \
             <ve:Adapter ve:mac=\"00:50:56:01:02:03\" ve:network=\"VM Network\" ve:unitNumber=\"7\"/>\n   </ve:EthernetAdapterSection>\n</Environment>\n"
        )
    }

    fn read(text: &str) -> Result<Vec<(String, String, String)>> {
        let properties = properties(&Document::new("ovf-env.xml", text))?;
        Ok(properties.into_iter().map(|it| (it.key, it.value, it.origin.to_string())).collect())
    }

    #[test]
    fn each_property_knows_its_place() {
        let text = environment(
            "         <Property oe:key=\"hostname\" oe:value=\"web\"/>\n         <Property oe:value='&lt;a&#10;&quot;&#x26;b' oe:key='x.y'></Property>\n",
        );
        let own = |key: &str, value: &str, place: &str| (key.to_owned(), value.to_owned(), place.to_owned());
        assert_eq!(
            read(&text).unwrap(),
            [own("hostname", "web", "ovf-env.xml:12:10"), own("x.y", "<a\n\"&b", "ovf-env.xml:13:10")]
        );
        assert_eq!(read(&format!("\u{feff}{}", text.replace("oe:", "ns0:"))).unwrap().len(), 2);
        let twice = "<Property oe:key='k' oe:value='1'/><Property oe:key='k' oe:value='2'/>";
        assert_eq!(read(&environment(twice)).unwrap()[0].1, "2");
    }

    #[test]
    fn properties_of_other_machines_are_not_taken() {
        let other = "<Environment><Entity oe:id='db'><PropertySection><Property oe:key='a' oe:value='1'/></PropertySection></Entity>\
            <PropertySection><Deeper><Property oe:key='b' oe:value='1'/></Deeper><Property oe:key='c' oe:value='1'/></PropertySection></Environment>";
        assert_eq!(read(other).unwrap().iter().map(|it| it.0.as_str()).collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn what_is_no_environment_is_said_with_its_place() {
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>\n<Environment/>";
        let deep = format!("<Environment>{}", "<a>".repeat(100));
        let wide = format!("<Environment><PropertySection>{}", "<Property key='' value=''/>".repeat(3));
        for (text, said) in [
            ("<Envelope/>", "ovf-env.xml:1:1: `Envelope` where `Environment` should be"),
            (bomb, "ovf-env.xml:1:1: a document type, which nothing is read of"),
            ("<Environment>\n <a>\n</Environment>", "ovf-env.xml:3:1: not XML: "),
            ("<Environment>\n<PropertySection>\n", "ovf-env.xml:3:1: the document is cut off"),
            ("<?xml version='1.0'?>", "the document is cut off"),
            (&deep, "ovf-env.xml: more than 1000 properties, or deeper than 64 levels"),
            (&wide, "the document is cut off"),
            (&environment("<Property oe:key='k'/>"), "ovf-env.xml:12:1: a property without `key` or `value`"),
            (&environment("<Property oe:key='k' oe:value='&own;'/>"), "ovf-env.xml:12:1: not XML: "),
            (&" ".repeat(SIZE_LIMIT + 1), "more than 4 MiB"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("help: an OVF environment is XML"), "{error}");
        }
        assert!(properties(&Document::new("ovf-env.xml", *b"<a \xff/>")).is_err());
    }

    #[test]
    fn as_meta_data_it_has_the_words_of_nocloud() {
        let properties = "<Property oe:key='instance-id' oe:value=''/><Property oe:key='hostname' oe:value=' web '/>\
            <Property oe:key='user-data' oe:value='x'/><Property oe:key='role' oe:value='db'/>";
        let origin = Origin::document("ovf-env.xml");
        let node = parse(&environment(properties), &origin).unwrap().unwrap();
        assert_eq!(node.to_json(), serde_json::json!({"hostname": "web", "meta": {"role": "db"}}));
        for yaml in ["<<: {}", "instance-id: <a>", "", "<"] {
            assert!(parse(yaml, &origin).is_none(), "{yaml}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(128))]
        #[test]
        fn no_text_panics_and_each_is_read_or_refused(
            text in "(<Environment>|<PropertySection>|<Property |<a:Property |/>|</Property>|</PropertySection>|</Environment>|oe:key=|value=|'|\"|&lt;|&#0;|&|<!--|-->|<!\\[CDATA\\[|<\\?|[a-zé<>\n= ]){0,40}",
            cut in 0usize..2000,
        ) {
            let _ = read(&text);
            let whole = environment(&text);
            let cut = (0..=cut.min(whole.len())).rev().find(|at| whole.is_char_boundary(*at)).unwrap_or(0);
            if cut < whole.trim_end().len() {
                // Nothing of a document that is cut off is taken, as nobody knows what is missing.
                proptest::prop_assert!(cut == 0 || read(&whole[..cut]).is_err());
            }
        }
    }

    #[test]
    fn a_web_page_is_called_one() {
        for page in ["<!DOCTYPE html><p>x", "\n<html lang=en>", "<!doctype HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\">"]
        {
            let error = parse(page, &Origin::document("meta-data")).unwrap().unwrap_err().to_string();
            assert!(
                error.starts_with("meta-data: error: a web page") || error.starts_with("meta-data: a web"),
                "{error}"
            );
        }
    }
}
