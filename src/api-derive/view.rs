use crate::attributes::{Words, doc, fields, wire_name};
use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{DeriveInput, Error, Result};

pub fn expand(input: DeriveInput) -> Result<TokenStream> {
    let ty = &input.ident;
    let (mut metas, mut writes, mut trees) = (Vec::new(), Vec::new(), Vec::new());
    for f in fields(&input)? {
        let words = Words::of(&f.attrs, "view")?;
        words.only(&["name", "kind", "since", "flatten"], f.span())?;
        let (Some(ident), fty) = (f.ident.clone(), &f.ty) else { continue };
        if words.has("flatten") {
            metas.push(quote!(all.extend(<#fty as crate::declare::Record>::fields());));
            writes.push(quote!(crate::declare::Record::entries(&self.#ident, to);));
            trees.push(quote!(if let serde_json::Value::Object(inner) = crate::declare::Record::tree(&self.#ident) { map.extend(inner); }));
            continue;
        }
        let (name, description) = (wire_name(f, &words)?, doc(&f.attrs));
        if description.is_empty() {
            return Err(Error::new(f.span(), "a field needs a doc comment: it is what listApis says"));
        }
        let kind = match words.text("kind")? {
            Some(k) => quote!(#k),
            None => quote!(<#fty as crate::declare::Shown>::KIND),
        };
        metas.push(quote!(all.push(crate::declare::FieldMeta {
            name: #name, description: #description, kind: #kind, fields: <#fty as crate::declare::Shown>::fields,
        });));
        let key = format!(",\"{name}\":");
        writes.push(quote!(
            if !crate::declare::Shown::absent(&self.#ident) {
                to.extend_from_slice(#key.as_bytes());
                crate::declare::Shown::json(&self.#ident, to);
            }
        ));
        trees.push(quote!(
            if !crate::declare::Shown::absent(&self.#ident) { map.insert(#name.into(), crate::declare::Shown::tree(&self.#ident)); }
        ));
    }
    Ok(quote! {
        impl crate::declare::Record for #ty {
            fn fields() -> Vec<crate::declare::FieldMeta> {
                let mut all = Vec::new();
                #(#metas)*
                all
            }
            fn entries(&self, to: &mut Vec<u8>) {
                #(#writes)*
            }
            fn tree(&self) -> serde_json::Value {
                let mut map = serde_json::Map::new();
                #(#trees)*
                serde_json::Value::Object(map)
            }
        }
    })
}
