//! A font of five by seven dots, drawn for this screen. A glyph is a word of base-32 digits, one a line from the top; the digit's five
//! bits are the dots, the highest leftmost. Letters that reach below the line have nine.

/// Dots across.
pub const GLYPH_WIDTH: usize = 5;
/// Dots down, without what reaches below the line.
pub const GLYPH_HEIGHT: usize = 7;

/// From the space to the tilde.
const GLYPHS: &str = "0000000 4444404 aaa0000 aavavaa 4fke5u4 op248j3 cik8lid 4400000 2488842 8422248 04lel40 044v440 00000448 000v000 \
    00000cc 01248g0 ehjlphe 4c4444e eh1248v v2421he 26aiv22 vgu11he 68guhhe v124888 ehhehhe ehhf12c 0cc0cc0 0cc0c48 248g842 00v0v00 \
    8421248 eh12404 eh1dlle ehhvhhh uhhuhhu ehggghe sihhhis vgguggv vgguggg ehgnhhf hhhvhhh e44444e 72222ic hikokih ggggggv hrllhhh \
    hhpljhh ehhhhhe uhhuggg ehhhlid uhhukih fgge11u v444444 hhhhhhe hhhhha4 hhhllla hha4ahh hhha444 v1248gv e88888e 0g84210 e22222e \
    4ah0000 000000v 8420000 00e1fhf ggmphhu 00egghe 11djhhf 00ehvge 698s888 00fhhhf1e ggmphhh 40c444e 2062222ic ggikoki c44444e 00qllhh \
    00mphhh 00ehhhe 00uhhhugg 00fhhhf11 00mpggg 00fge1u 88s8896 00hhhjd 00hhha4 00hhlla 00ha4ah 00hhhhf1e 00v248v 2448442 4444444 \
    8442448 008l200";
/// What stands for a byte that has no glyph.
const UNKNOWN: &str = "vhhhhhv";

static TABLE: std::sync::LazyLock<Vec<&'static str>> = std::sync::LazyLock::new(|| GLYPHS.split_whitespace().collect());

/// The dots of one line of a character, counted from the top of the glyph.
pub fn line(byte: u8, line: usize) -> u32 {
    let glyph = usize::from(byte).checked_sub(32).and_then(|i| TABLE.get(i)).unwrap_or(&UNKNOWN);
    glyph.as_bytes().get(line).and_then(|d| char::from(*d).to_digit(32)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_printable_character_has_a_glyph_of_its_own() {
        assert_eq!(TABLE.len(), 95);
        assert_eq!(TABLE.iter().collect::<BTreeSet<_>>().len(), 95);
        assert!(TABLE.iter().all(|g| (7..=9).contains(&g.len()) && g.chars().all(|c| c.is_digit(32))));
        assert_eq!(line(b'I', 0), 0b01110);
        assert_eq!(line(200, 0), 0b11111);
    }
}
