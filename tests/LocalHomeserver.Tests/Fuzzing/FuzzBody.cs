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

    /// <summary>What a server signs of a request.</summary>
    public static byte[] Signed(string? canonical, string method, string uri, string origin, string destination)
    {
        var signed = new StringBuilder("{");
        if (canonical is not null) signed.Append("\"content\":").Append(canonical).Append(',');
        signed.Append("\"destination\":\"").Append(destination).Append("\",\"method\":\"").Append(method)
            .Append("\",\"origin\":\"").Append(origin).Append("\",\"uri\":");
        new Spelled(uri).WriteCanonical(signed);
        return Encoding.UTF8.GetBytes(signed.Append('}').ToString());
    }
}
