//! Documents in and out. What comes in is small, shallow and without a document type, so nothing can be made to expand.
use crate::{Fault, Outcome};
use quick_xml::Reader;
use quick_xml::events::Event;

/// The longest document read: ten thousand parts with their checksums, or a thousand of the longest keys.
pub const LIMIT: usize = 8 << 20;
const DEPTH: usize = 16;
const ELEMENTS: usize = 100_000;
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A document being written.
pub struct Xml {
    out: String,
    open: Vec<String>,
}

impl Xml {
    /// An empty document.
    pub fn new() -> Self {
        Self { out: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".into(), open: Vec::new() }
    }
    /// A document with this root in S3's namespace.
    pub fn root(name: &str) -> Self {
        let mut x = Self::new();
        x.out.push_str(&format!("<{name} xmlns=\"{NAMESPACE}\">"));
        x.open.push(name.to_owned());
        x
    }
    /// Opens an element; `name` may carry attributes.
    pub fn open(&mut self, name: &str) -> &mut Self {
        self.out.push_str(&format!("<{name}>"));
        self.open.push(name.split(' ').next().unwrap_or_default().to_owned());
        self
    }
    /// Closes the element opened last.
    pub fn close(&mut self) -> &mut Self {
        if let Some(name) = self.open.pop() {
            self.out.push_str(&format!("</{name}>"));
        }
        self
    }
    /// Text in the element opened last.
    pub fn say(&mut self, value: &str) -> &mut Self {
        escape(value, &mut self.out);
        self
    }
    /// An element with a text.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.out.push_str(&format!("<{name}>"));
        escape(value, &mut self.out);
        self.out.push_str(&format!("</{name}>"));
        self
    }
    /// An element with a text, when there is one.
    pub fn maybe(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if let Some(v) = value {
            self.text(name, v);
        }
        self
    }
    /// The bytes, everything closed.
    pub fn done(mut self) -> Vec<u8> {
        while !self.open.is_empty() {
            self.close();
        }
        self.out.into_bytes()
    }
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            // Not even as references are these XML 1.0, but S3 writes them so; encoding-type=url is the clean way.
            c if (c as u32) < 0x20 && c != '\n' && c != '\t' => out.push_str(&format!("&#x{:X};", c as u32)),
            c => out.push(c),
        }
    }
}

/// An element that was read; prefixes of names are dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name without a prefix.
    pub name: String,
    /// Its attributes without prefixes.
    pub attributes: Vec<(String, String)>,
    /// Its own text.
    pub text: String,
    /// What stands in it.
    pub children: Vec<Element>,
}

impl Element {
    /// Reads a document whose root has this name.
    pub fn parse(body: &[u8], root: &str) -> Outcome<Self> {
        let e = Self::read(body)?;
        if e.name != root {
            return Err(Fault::malformed(&format!("the root must be {root}")));
        }
        Ok(e)
    }

    fn read(body: &[u8]) -> Outcome<Self> {
        let text = std::str::from_utf8(body).map_err(|_| Fault::malformed("not UTF-8"))?;
        let mut reader = Reader::from_str(text);
        let bad = |why: &str| Fault::malformed(why);
        let mut stack: Vec<Self> = Vec::new();
        let mut count = 0;
        loop {
            let event = reader.read_event().map_err(|_| bad("not XML"))?;
            match event {
                Event::Start(s) | Event::Empty(s) if stack.len() >= DEPTH || count >= ELEMENTS => {
                    drop(s);
                    return Err(bad("too deep or too long"));
                }
                Event::Start(s) => {
                    count += 1;
                    stack.push(Self::begun(&s)?);
                }
                Event::Empty(s) => {
                    count += 1;
                    let e = Self::begun(&s)?;
                    match stack.last_mut() {
                        Some(parent) => parent.children.push(e),
                        None => return Ok(e),
                    }
                }
                Event::End(_) => {
                    let e = stack.pop().ok_or_else(|| bad("not balanced"))?;
                    match stack.last_mut() {
                        Some(parent) => parent.children.push(e),
                        None => return Ok(e),
                    }
                }
                Event::Text(t) => {
                    if let Some(e) = stack.last_mut() {
                        e.text.push_str(&t);
                    }
                }
                Event::CData(t) => {
                    if let Some(e) = stack.last_mut() {
                        e.text.push_str(&t);
                    }
                }
                Event::GeneralRef(r) => {
                    let c = match &*r {
                        "lt" => '<',
                        "gt" => '>',
                        "amp" => '&',
                        "quot" => '"',
                        "apos" => '\'',
                        _ => r.resolve_char_ref().ok().flatten().ok_or_else(|| bad("an entity that is not known"))?,
                    };
                    if let Some(e) = stack.last_mut() {
                        e.text.push(c);
                    }
                }
                Event::DocType(_) => return Err(bad("a document type is not taken")),
                Event::Eof => return Err(bad("it ends too early")),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            }
        }
    }

    fn begun(s: &quick_xml::events::BytesStart<'_>) -> Outcome<Self> {
        let local = |n: &str| n.rsplit(':').next().unwrap_or_default().to_owned();
        let mut attributes = Vec::new();
        for a in s.attributes() {
            let a = a.map_err(|_| Fault::malformed("an attribute cannot be read"))?;
            attributes.push((local(a.key.as_ref()), a.value.into_owned()));
        }
        Ok(Self { name: local(s.name().as_ref()), attributes, ..Self::default() })
    }

    /// The first child of this name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|c| c.name == name)
    }
    /// All children of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |c| c.name == name)
    }
    /// The text of the first child of this name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.child(name).map(|c| c.text.trim())
    }
    /// The text of a child that must be there.
    pub fn need(&self, name: &str) -> Outcome<&str> {
        self.value(name).filter(|v| !v.is_empty()).ok_or_else(|| Fault::malformed(&format!("{} needs {name}", self.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut x = Xml::root("A");
        x.text("B", "<&>\" é").open("C").text("D", "1").close();
        let e = Element::parse(&x.done(), "A").expect("reads");
        assert_eq!(e.value("B"), Some("<&>\" é"));
        assert_eq!(e.child("C").and_then(|c| c.value("D")), Some("1"));
    }

    #[test]
    fn bombs_and_rubbish_are_refused() {
        let deep = format!("{}{}", "<a>".repeat(50), "</a>".repeat(50));
        for bad in ["", "<a>", "text", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "<a>&b;</a>", "</a>", "\u{0}", deep.as_str()] {
            assert_eq!(Element::parse(bad.as_bytes(), "a").map_err(|f| f.code), Err("MalformedXML"), "{bad}");
        }
        assert!(Element::parse(b"<b/>", "a").is_err());
    }
}
