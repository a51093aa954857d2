//! The one procedural macro crate of the native door: a struct declares a command ([`Command`]) or an answer's record ([`View`]).
//!
//! The type is the rule: whether a parameter is required, a list, an id, follows from the field's type, so that what `listApis` says
//! and what the parser does cannot disagree. Doc comments become the descriptions. Generated code names everything through
//! `crate::declare`, so the macros work only inside the `stratus-api` crate, which is the point: commands live there.
mod attributes;
mod command;
mod view;

use proc_macro::TokenStream;

/// Declares a native command: its parameters, roles, event and job. See `src/api/declare.rs`.
#[proc_macro_derive(Command, attributes(command, param))]
pub fn derive_command(input: TokenStream) -> TokenStream {
    command::expand(syn::parse_macro_input!(input)).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Declares a record of an answer: how it is written and which fields `listApis` shows.
#[proc_macro_derive(View, attributes(view))]
pub fn derive_view(input: TokenStream) -> TokenStream {
    view::expand(syn::parse_macro_input!(input)).unwrap_or_else(syn::Error::into_compile_error).into()
}
