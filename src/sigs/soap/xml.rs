//! A tree of elements and text, read strictly: what a SOAP message may hold and nothing else.
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::collections::HashSet;

/// The deepest nesting.
const DEPTH: usize = 64;
/// The most elements.
const ELEMENTS: usize = 50_000;
/// The most attributes of an element, namespaces included.
const ATTRIBUTES: usize = 64;
/// The longest document in bytes.
const LENGTH: usize = 1 << 20;
const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// Why a text was not taken as a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct XmlError(pub(crate) String);

fn wrong<T>(why: impl Into<String>) -> Result<T, XmlError> {
    Err(XmlError(why.into()))
}

/// An element of a [`Document`], by its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Node(pub(crate) usize);

#[derive(Debug)]
pub(crate) struct Attribute {
    pub prefix: String,
    pub local: String,
    pub namespace: Option<String>,
    pub value: String,
}

#[derive(Debug)]
pub(crate) enum Child {
    Element(Node),
    Text(String),
}

#[derive(Debug)]
pub(crate) struct Element {
    pub parent: Option<Node>,
    pub prefix: String,
    pub local: String,
    pub namespace: Option<String>,
    pub attributes: Vec<Attribute>,
    /// The namespaces declared here: prefix (empty for the default) and name (empty to undo the default).
    pub declared: Vec<(String, String)>,
    pub children: Vec<Child>,
}

/// A document that was read.
#[derive(Debug)]
pub struct Document {
    elements: Vec<Element>,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// Not well-formed, not UTF-8, too long, too deep, too many elements, or with a DTD, an entity of its own or a processing instruction.
    pub fn parse(bytes: &[u8]) -> Result<Self, XmlError> {
        if bytes.len() > LENGTH {
            return wrong(format!("longer than {LENGTH} bytes"));
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let Ok(text) = std::str::from_utf8(bytes) else { return wrong("not UTF-8") };
        let mut reading = Reading { elements: Vec::new(), open: Vec::new() };
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_comments = true;
        let mut first = true;
        loop {
            match reader.read_event().map_err(|e| XmlError(format!("not well-formed at byte {}: {e}", reader.error_position())))? {
                Event::Start(tag) => reading.start(&tag, true)?,
                Event::Empty(tag) => reading.start(&tag, false)?,
                Event::End(_) => drop(reading.open.pop()),
                Event::Text(text) => reading.text(&one_line_end(&text.into_inner()))?,
                Event::CData(text) => reading.cdata(&one_line_end(&text.into_inner()))?,
                Event::GeneralRef(name) => reading.text_of_reference(&name.into_inner())?,
                Event::Comment(_) => {}
                Event::Decl(decl) if first => declaration(&decl)?,
                Event::Decl(_) => return wrong("an XML declaration that is not at the start"),
                Event::PI(_) => return wrong("processing instructions are not taken"),
                Event::DocType(_) => return wrong("document type definitions are not taken"),
                Event::Eof => break,
            }
            first = false;
        }
        if !reading.open.is_empty() || reading.elements.is_empty() {
            return wrong("the document breaks off");
        }
        Ok(Self { elements: reading.elements })
    }

    pub(crate) fn get(&self, node: Node) -> &Element {
        &self.elements[node.0]
    }

    /// The outermost element.
    #[must_use]
    pub const fn root(&self) -> Node {
        Node(0)
    }

    /// The element's name without its prefix.
    #[must_use]
    pub fn name(&self, node: Node) -> &str {
        &self.get(node).local
    }

    /// The element's namespace, empty when it has none.
    #[must_use]
    pub fn namespace(&self, node: Node) -> &str {
        self.get(node).namespace.as_deref().unwrap_or_default()
    }

    /// Whether an element has this namespace and name.
    #[must_use]
    pub fn is(&self, node: Node, namespace: &str, name: &str) -> bool {
        self.name(node) == name && self.namespace(node) == namespace
    }

    /// The elements directly below one.
    pub fn children(&self, node: Node) -> impl Iterator<Item = Node> {
        self.get(node).children.iter().filter_map(|c| match c {
            Child::Element(below) => Some(*below),
            Child::Text(_) => None,
        })
    }

    /// All text directly below an element, put together.
    #[must_use]
    pub fn text(&self, node: Node) -> String {
        let texts = self.get(node).children.iter().filter_map(|c| match c {
            Child::Text(text) => Some(text.as_str()),
            Child::Element(_) => None,
        });
        texts.collect()
    }

    /// An attribute; the namespace is empty for one without a prefix.
    #[must_use]
    pub fn attribute(&self, node: Node, namespace: &str, name: &str) -> Option<&str> {
        let found = self.get(node).attributes.iter().find(|a| a.local == name && a.namespace.as_deref().unwrap_or_default() == namespace);
        found.map(|a| a.value.as_str())
    }

    /// An element and what is below it in exclusive canonical form: equal for what means the same.
    #[must_use]
    pub fn canonical_text(&self, node: Node) -> Vec<u8> {
        super::c14n::canonical(self, node, &[])
    }

    /// Every element of the document.
    pub fn all(&self) -> impl Iterator<Item = Node> + use<> {
        (0..self.elements.len()).map(Node)
    }

    /// The namespace that a prefix stands for at an element; empty for none.
    pub(crate) fn in_scope(&self, node: Node, prefix: &str) -> Option<&str> {
        in_scope(&self.elements, Some(node), prefix)
    }
}

fn in_scope<'e>(elements: &'e [Element], mut at: Option<Node>, prefix: &str) -> Option<&'e str> {
    while let Some(node) = at {
        let element = &elements[node.0];
        if let Some((_, name)) = element.declared.iter().find(|(p, _)| p == prefix) {
            return Some(name);
        }
        at = element.parent;
    }
    (prefix == "xml").then_some(XML)
}

struct Reading {
    elements: Vec<Element>,
    open: Vec<Node>,
}

impl Reading {
    fn start(&mut self, tag: &BytesStart<'_>, stays_open: bool) -> Result<(), XmlError> {
        if self.open.is_empty() && !self.elements.is_empty() {
            return wrong("more than one outermost element");
        }
        if self.open.len() >= DEPTH || self.elements.len() >= ELEMENTS {
            return wrong(format!("more than {DEPTH} levels or {ELEMENTS} elements"));
        }
        let (prefix, local) = split(tag.name().into_inner())?;
        let node = Node(self.elements.len());
        let parent = self.open.last().copied();
        let mut element = Element {
            parent,
            prefix: prefix.into(),
            local: local.into(),
            namespace: None,
            attributes: Vec::new(),
            declared: Vec::new(),
            children: Vec::new(),
        };
        attributes(tag, &mut element)?;
        self.elements.push(element);
        self.resolve(node)?;
        if let Some(parent) = parent {
            self.elements[parent.0].children.push(Child::Element(node));
        }
        if stays_open {
            self.open.push(node);
        }
        Ok(())
    }

    /// Gives the element and its attributes their namespaces.
    fn resolve(&mut self, node: Node) -> Result<(), XmlError> {
        let name = |elements: &[Element], prefix: &str| match in_scope(elements, Some(node), prefix) {
            Some(name) if !name.is_empty() => Ok(Some(name.to_owned())),
            _ if prefix.is_empty() => Ok(None),
            _ => Err(XmlError(format!("the prefix {prefix} is not declared"))),
        };
        let own = name(&self.elements, &self.elements[node.0].prefix)?;
        let mut seen = HashSet::new();
        let mut of_attributes = Vec::new();
        for attribute in &self.elements[node.0].attributes {
            // An attribute without a prefix is in no namespace.
            let namespace = if attribute.prefix.is_empty() { None } else { name(&self.elements, &attribute.prefix)? };
            if !seen.insert((namespace.clone(), attribute.local.clone())) {
                return wrong(format!("the attribute {} stands twice", attribute.local));
            }
            of_attributes.push(namespace);
        }
        let element = &mut self.elements[node.0];
        element.namespace = own;
        element.attributes.iter_mut().zip(of_attributes).for_each(|(a, n)| a.namespace = n);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        if text.contains("]]>") {
            return wrong("]]> in a text");
        }
        self.append(text)
    }

    fn cdata(&mut self, text: &str) -> Result<(), XmlError> {
        if self.open.is_empty() {
            return wrong("text outside the outermost element");
        }
        self.append(text)
    }

    fn text_of_reference(&mut self, name: &str) -> Result<(), XmlError> {
        let c = character(name)?;
        if self.open.is_empty() {
            return wrong("text outside the outermost element");
        }
        self.append(c.encode_utf8(&mut [0; 4]))
    }

    fn append(&mut self, text: &str) -> Result<(), XmlError> {
        if let Some(c) = text.chars().find(|c| !is_legal(*c)) {
            return wrong(format!("the character U+{:04X}", c as u32));
        }
        let Some(node) = self.open.last() else {
            return if text.trim_matches([' ', '\t', '\n', '\r']).is_empty() {
                Ok(())
            } else {
                wrong("text outside the outermost element")
            };
        };
        let children = &mut self.elements[node.0].children;
        match children.last_mut() {
            Some(Child::Text(before)) => before.push_str(text),
            _ if text.is_empty() => {}
            _ => children.push(Child::Text(text.to_owned())),
        }
        Ok(())
    }
}

fn declaration(decl: &quick_xml::events::BytesDecl<'_>) -> Result<(), XmlError> {
    match decl.version() {
        Ok(version) if version == "1.0" => {}
        _ => return wrong("not XML 1.0"),
    }
    match decl.encoding() {
        None => Ok(()),
        Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii") => Ok(()),
        Some(_) => wrong("not declared as UTF-8"),
    }
}

/// Reads the attributes, namespaces apart from the others.
fn attributes(tag: &BytesStart<'_>, element: &mut Element) -> Result<(), XmlError> {
    let mut names = HashSet::new();
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|e| XmlError(format!("an attribute that is not well-formed: {e}")))?;
        let name = attribute.key.into_inner();
        if !names.insert(name.to_owned()) || names.len() > ATTRIBUTES {
            return wrong(format!("an attribute stands twice, or there are more than {ATTRIBUTES}"));
        }
        let value = value(&attribute.value)?;
        match (name, name.strip_prefix("xmlns:")) {
            ("xmlns", _) => declare(element, "", value)?,
            (_, Some(prefix)) => declare(element, split(prefix)?.1, value)?,
            _ => {
                let (prefix, local) = split(name)?;
                element.attributes.push(Attribute { prefix: prefix.into(), local: local.into(), namespace: None, value });
            }
        }
    }
    Ok(())
}

fn declare(element: &mut Element, prefix: &str, name: String) -> Result<(), XmlError> {
    let reserved = matches!(prefix, "xml" | "xmlns") || name == XML || name == XMLNS;
    if reserved || (name.is_empty() && !prefix.is_empty()) || prefix.contains(':') {
        return wrong(format!("the namespace prefix '{prefix}' cannot be declared so"));
    }
    element.declared.push((prefix.to_owned(), name));
    Ok(())
}

/// Prefix and local part of a name.
fn split(name: &str) -> Result<(&str, &str), XmlError> {
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    let good = |part: &str| {
        let mut chars = part.chars();
        chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{b7}'))
    };
    if !good(local) || (!prefix.is_empty() && !good(prefix)) || name.starts_with(':') || prefix == "xmlns" {
        return wrong("a name that is none");
    }
    Ok((prefix, local))
}

/// An attribute's value: white space is a blank, references are what they stand for.
fn value(raw: &str) -> Result<String, XmlError> {
    let raw = one_line_end(raw);
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw.as_ref();
    while let Some(at) = rest.find(['&', '<', '\t', '\n', '\r']) {
        out.push_str(&rest[..at]);
        rest = match rest.as_bytes()[at] {
            b'<' => return wrong("< in an attribute"),
            b'&' => {
                let Some((name, after)) = rest[at + 1..].split_once(';') else { return wrong("& without ;") };
                out.push(character(name)?);
                after
            }
            _ => {
                out.push(' ');
                &rest[at + 1..]
            }
        };
    }
    out.push_str(rest);
    match out.chars().find(|c| !is_legal(*c)) {
        Some(c) => wrong(format!("the character U+{:04X}", c as u32)),
        None => Ok(out),
    }
}

/// The character that a reference stands for: one of XML's five names, or a number.
fn character(name: &str) -> Result<char, XmlError> {
    let number = |text: &str, base: u32| {
        let digits = !text.is_empty() && text.len() <= 8 && text.chars().all(|c| c.is_digit(base));
        let found = digits.then(|| u32::from_str_radix(text, base).ok().and_then(char::from_u32)).flatten();
        found.filter(|c| is_legal(*c)).ok_or_else(|| XmlError("a character reference that is none".into()))
    };
    match name {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => match (name.strip_prefix("#x"), name.strip_prefix('#')) {
            (Some(hex), _) => number(hex, 16),
            (None, Some(decimal)) => number(decimal, 10),
            (None, None) => wrong("entities are not taken"),
        },
    }
}

const fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Every end of a line as a line feed.
fn one_line_end(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_texts_and_namespaces_are_read() {
        let text = "<?xml version='1.0' encoding='utf-8'?>\n<a:x xmlns:a='u' xmlns='d' b='1&#x41;&amp;\n'><y>a<!-- no -->b<![CDATA[<c>]]>&lt;\r\n</y></a:x>\n";
        let document = Document::parse(text.as_bytes()).expect("well-formed");
        let root = document.root();
        assert!(document.is(root, "u", "x"));
        assert_eq!(document.attribute(root, "", "b"), Some("1A& "));
        let y = document.children(root).next().expect("a child");
        assert!(document.is(y, "d", "y"));
        assert_eq!(document.text(y), "ab<c><\n");
    }

    #[test]
    fn what_a_message_must_not_hold_is_refused() {
        let deep = format!("{}{}", "<a>".repeat(65), "</a>".repeat(65));
        let many = format!("<a>{}</a>", "<b/>".repeat(50_001));
        for bad in [
            "",
            " ",
            "a",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a/>x",
            "x<a/>",
            "<a",
            "<a b></a>",
            "<a b=1/>",
            "<a b='1' b='2'/>",
            "<!DOCTYPE a><a/>",
            "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
            "<a>&e;</a>",
            "<a>&#0;</a>",
            "<a>&#xD800;</a>",
            "<a b='&e;'/>",
            "<a><?php x?></a>",
            "<p:a/>",
            "<a p:b='1'/>",
            "<a xmlns:p=''/>",
            "<a xmlns:xml='x'/>",
            "<a:b:c xmlns:a='u'/>",
            "<:a/>",
            "<1a/>",
            "<a xmlns:p='u' xmlns:q='u' p:x='1' q:x='2'/>",
            "<a>\u{1}</a>",
            "<a>]]></a>",
            "<a b='<'/>",
            "&amp;<a/>",
            "<a/><![CDATA[x]]>",
            "<?xml version='1.0' encoding='utf-16'?><a/>",
            "<?xml version='1.1'?><a/>",
            "<a/><?xml version='1.0'?>",
            "<a>&amp</a>",
            &deep,
            &many,
        ] {
            assert!(Document::parse(bad.as_bytes()).is_err(), "{}", &bad[..bad.len().min(80)]);
        }
        assert!(Document::parse(b"<a>\xff</a>").is_err());
        assert!(Document::parse(&vec![b' '; LENGTH + 1]).is_err());
    }
}
