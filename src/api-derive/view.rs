use crate::attributes::{Words, doc, fields, wire_name};
use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{DeriveInput, Error, Result};

pub fn expand(input: DeriveInput) -> Result<TokenStream> {
    let ty = &input.ident;
    let (mut metas, mut writes) = (Vec::new(), Vec::new());
    for f in fields(&input)? {
        let words = Words::of(&f.attrs, "view")?;
        words.only(&["name", "kind", "since", "flatten"], f.span())?;
        let (Some(ident), fty) = (f.ident.clone(), &f.ty) else { continue };
        if words.has("flatten") {
            metas.push(quote!(all.extend(<#fty as crate::declare::Record>::fields());));
            writes.push(quote!(
                for (name, value) in crate::declare::entries(&self.#ident).map_err(serde::ser::Error::custom)? {
                    serde::ser::SerializeMap::serialize_entry(&mut map, &name, &value)?;
                }
            ));
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
        writes.push(quote!(
            if !crate::declare::Shown::absent(&self.#ident) { serde::ser::SerializeMap::serialize_entry(&mut map, #name, &self.#ident)?; }
        ));
    }
    Ok(quote! {
        impl crate::declare::Record for #ty {
            fn fields() -> Vec<crate::declare::FieldMeta> {
                let mut all = Vec::new();
                #(#metas)*
                all
            }
        }
        impl serde::Serialize for #ty {
            fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
                let mut map = to.serialize_map(None)?;
                #(#writes)*
                serde::ser::SerializeMap::end(map)
            }
        }
    })
}
