using System.Buffers;
using System.Globalization;
using System.Text;

namespace Matrix.ToDevice;

/// <summary>Writes a JSON value in canonical form: what is in it already, in one piece. Without recursion, like <see cref="MemberOrder"/>.</summary>
internal sealed class CanonicalWriter(ReadOnlyMemory<byte> json, MemberOrder order, bool asWritten, IBufferWriter<byte> output)
{
    private static readonly SearchValues<byte> s_number = SearchValues.Create("+-.0123456789Ee"u8);

    // What is to be written, the next part on top.
    private readonly Stack<Part> _parts = [];

    /// <summary>Writes it.</summary>
    /// <exception cref="CanonicalJsonException">A number or a string has no canonical form.</exception>
    public void Write()
    {
        _parts.Push(new Part(0, json.Length));
        while (_parts.TryPop(out var part))
        {
            if (part.FollowsAnother) output.Write(","u8);
            Write(json.Span, part);
        }
    }

    /// <summary>Writes a part, up to an object that has to be put in order: then the parts of that one come next, and the rest behind them.</summary>
    private void Write(ReadOnlySpan<byte> text, Part part)
    {
        var written = part.Start;
        for (var i = part.Start; i < part.End;)
        {
            var start = i;
            switch (text[i])
            {
                case (byte)'"':
                    i += StringLength(text[i..]);
                    var characters = text[(start + 1)..(i - 1)];
                    if (!characters.Contains((byte)'\\')) break;
                    output.Write(text[written..(start + 1)]);
                    WriteCharacters(characters);
                    written = i - 1;
                    break;
                case (byte)' ' or (byte)'\t' or (byte)'\n' or (byte)'\r':
                    output.Write(text[written..start]);
                    written = ++i;
                    break;
                case (byte)'-' or (>= (byte)'0' and <= (byte)'9') when !asWritten:
                    i += NumberLength(text[i..part.End]);
                    if (IsCanonical(text[start..i])) break;
                    output.Write(text[written..start]);
                    WriteInteger(text[start..i]);
                    written = i;
                    break;
                case (byte)'{' when order.TryGetMembers(start, out var members, out var end):
                    output.Write(text[written..(start + 1)]);
                    _parts.Push(new Part(end, part.End));
                    for (var m = members.Length - 1; m >= 0; m--) _parts.Push(new Part(members[m].Start, members[m].End, m > 0));
                    return;
                default:
                    i++;
                    break;
            }
        }

        output.Write(text[written..part.End]);
    }

    /// <summary>With both quotes.</summary>
    private static int StringLength(ReadOnlySpan<byte> text)
    {
        for (var length = 1; ;)
        {
            length += text[length..].IndexOfAny((byte)'"', (byte)'\\');
            if (text[length] == '"') return length + 1;
            length += 2;
        }
    }

    private static int NumberLength(ReadOnlySpan<byte> text) =>
        text.IndexOfAnyExcept(s_number) is var end and >= 0 ? end : text.Length;

    /// <summary>So most numbers are: short integers that are not -0.</summary>
    private static bool IsCanonical(ReadOnlySpan<byte> number) =>
        number.Length < 16 && !number.ContainsAnyExceptInRange((byte)'0', (byte)'9');

    private void WriteInteger(ReadOnlySpan<byte> number)
    {
        if (!CanonicalNumber.TryGetInteger(number, out var integer))
            throw new CanonicalJsonException("A number is not an integer between -(2^53)+1 and (2^53)-1");

        integer.TryFormat(output.GetSpan(20), out var length, provider: CultureInfo.InvariantCulture);
        output.Advance(length);
    }

    private void WriteCharacters(ReadOnlySpan<byte> characters)
    {
        while (true)
        {
            var plain = characters.IndexOf((byte)'\\') is var escape and >= 0 ? escape : characters.Length;
            output.Write(characters[..plain]);
            if (plain == characters.Length) return;

            characters = characters[plain..];
            WriteCharacter(JsonText.TakeEscape(ref characters));
        }
    }

    private void WriteCharacter(int value)
    {
        switch (value)
        {
            case '"':
                output.Write("\\\""u8);
                break;
            case '\\':
                output.Write("\\\\"u8);
                break;
            case '\b':
                output.Write("\\b"u8);
                break;
            case '\f':
                output.Write("\\f"u8);
                break;
            case '\n':
                output.Write("\\n"u8);
                break;
            case '\r':
                output.Write("\\r"u8);
                break;
            case '\t':
                output.Write("\\t"u8);
                break;
            case >= 0x20 when Rune.TryCreate(value, out var rune):
                output.Advance(rune.EncodeToUtf8(output.GetSpan(4)));
                break;
            case >= 0x20 when !asWritten:
                throw new CanonicalJsonException("A string has an unpaired surrogate");
            default:
                output.Write(Encoding.ASCII.GetBytes($"\\u{value:x4}"));
                break;
        }
    }

    /// <summary>A part of the value, between two places in its text.</summary>
    private readonly record struct Part(int Start, int End, bool FollowsAnother = false);
}
