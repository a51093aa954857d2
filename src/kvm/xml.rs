//! XML as a small tree, for the documents that libvirt answers.
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub name: String,
    attributes: Vec<(String, String)>,
    pub text: String,
    children: Vec<Node>,
}

impl Node {
    /// Reads a document; anything but one whole element is an error.
    pub fn read(xml: &str) -> Result<Self, String> {
        let mut reader = Reader::from_str(xml);
        let mut open: Vec<Self> = vec![Self::default()];
        loop {
            match reader.read_event().map_err(|e| e.to_string())? {
                Event::Start(start) => open.push(Self::open(&start)?),
                Event::Empty(start) => {
                    let node = Self::open(&start)?;
                    open.last_mut().ok_or("no element is open")?.children.push(node);
                }
                Event::End(_) => {
                    let node = open.pop().ok_or("no element is open")?;
                    open.last_mut().ok_or("an end without a beginning")?.children.push(node);
                }
                Event::Text(text) => {
                    open.last_mut().ok_or("no element is open")?.text.push_str(&text);
                }
                Event::GeneralRef(entity) => {
                    let text = quick_xml::escape::unescape(&format!("&{};", &*entity)).map_err(|e| e.to_string())?.into_owned();
                    open.last_mut().ok_or("no element is open")?.text.push_str(&text);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        let [root] = open.as_mut_slice() else { return Err("an element does not end".into()) };
        if root.children.len() == 1 { root.children.pop().ok_or_else(String::new) } else { Err("not one element".into()) }
    }

    fn open(start: &BytesStart<'_>) -> Result<Self, String> {
        let mut node = Self { name: start.name().as_ref().to_owned(), ..Self::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| e.to_string())?;
            let value = quick_xml::escape::unescape(&attribute.value).map_err(|e| e.to_string())?.into_owned();
            node.attributes.push((attribute.key.as_ref().to_owned(), value));
        }
        Ok(node)
    }

    /// Children of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
    /// The element at a path of names: `devices/disk`.
    pub fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |node, name| node.children.iter().find(|child| child.name == name))
    }
    /// An attribute.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
    /// An attribute of the element at a path.
    pub fn get_at(&self, path: &str, name: &str) -> Option<&str> {
        self.at(path)?.get(name)
    }
}

/// Text as it may stand in an element or attribute.
pub(crate) fn escaped(text: &str) -> String {
    // Characters that XML 1.0 cannot carry at all would make the whole document refused.
    let clean: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    quick_xml::escape::escape(clean).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_a_tree() {
        let text = "a<b>&\"c'\u{1}";
        let xml = format!("<?xml version='1.0'?><d><x><y k='{}'/><y k='2'>{}</y></x></d>", escaped(text), escaped(text));
        let node = Node::read(&xml).unwrap();
        assert_eq!(node.name, "d");
        assert_eq!(node.get_at("x/y", "k"), Some("a<b>&\"c'"));
        let second = node.at("x").unwrap().all("y").nth(1).unwrap();
        assert_eq!((second.get("k"), second.text.as_str()), (Some("2"), "a<b>&\"c'"));
        assert!(node.at("x/z").is_none());
        for bad in ["", "<a>", "<a/><b/>", "</a>", "text"] {
            assert!(Node::read(bad).is_err(), "{bad}");
        }
    }
}
