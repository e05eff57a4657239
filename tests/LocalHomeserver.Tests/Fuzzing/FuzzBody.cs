using System.Text;

namespace LocalHomeserver.Tests;

/// <summary>A body in bytes, as somebody sends it, and in the form that is signed.</summary>
internal static class FuzzBody
{
    public static string Text(JsonTree json, Random random)
    {
        var text = new StringBuilder();
        json.WriteTo(text, random, isSpaced: random.Next(8) == 0);
        return text.ToString();
    }

    public static byte[] Bytes(JsonTree json, Random random) => Encoding.UTF8.GetBytes(Text(json, random));

    public static string Canonical(JsonTree json)
    {
        var text = new StringBuilder();
        json.WriteCanonical(text);
        return text.ToString();
    }
}
