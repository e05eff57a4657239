using System.Globalization;
using System.Text;

namespace Matrix.ToDevice.Tool;

/// <summary>Text of strangers, so that it says nothing to a terminal: whatever is not seen is written as its number (D24).</summary>
internal static class Visible
{
    public static string Of(string text)
    {
        if (!text.EnumerateRunes().Any(IsUnseen)) return text;
        var visible = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (IsUnseen(rune)) visible.Append(CultureInfo.InvariantCulture, $"\\u{{{rune.Value:x}}}");
            else visible.Append(rune);
        }

        return visible.ToString();
    }

    // Controls; what turns the direction of writing or has no width; and what stands for half a surrogate pair.
    private static bool IsUnseen(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned;
}
