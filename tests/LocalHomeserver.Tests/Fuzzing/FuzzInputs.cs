using System.Globalization;
using System.Text;

namespace LocalHomeserver.Tests;

/// <summary>The inputs of a run. Each is made from the seed and its own number alone, so that it can be made again.</summary>
internal sealed class FuzzInputs(int seed)
{
    // Of a hundred inputs.
    private const int OfClients = 62, OfPeers = 12, Edus = 18;

    private static readonly Dictionary<string, JsonTree> s_special = new()
    {
        ["signing"] = JsonTree.Parse(FuzzKeys.Signer.Upload(new
        {
            type = "m.login.password",
            identifier = new { type = "m.id.user", user = "fuzz-signer" },
            password = Homeserver.Password,
        }).ToJsonString()),
        ["signatures"] = JsonTree.Parse(FuzzKeys.Signatures.ToJsonString()),
        ["document"] = JsonTree.Parse(FuzzKeys.Document(FuzzPeer.Bad).ToJsonString()),
    };

    private static readonly string[] s_versions = ["v3", "v3", "v3", "r0"];

    public FuzzInput Make(long number)
    {
        // Neighbours of a seed are alike in what they begin with: this takes them apart.
        var mixed = unchecked((((ulong)(uint)seed << 32) + (ulong)number) * 0x9e3779b97f4a7c15);
        var random = new Random((int)((mixed ^ (mixed >> 29)) & int.MaxValue));
        return random.Next(100) switch
        {
            < OfClients => Client(number, random),
            < OfClients + OfPeers => Peer(number, random),
            < OfClients + OfPeers + Edus => Edu(number, random),
            _ => Answer(number, random),
        };
    }

    private static ClientInput Client(long number, Random random)
    {
        var (_, caller, method, path, body) = Pick(FuzzTemplates.Client, template => template.Weight, random);
        var endpoint = $"{method} {Endpoint(path)}";
        // Something of it is changed: the body, the path, or the header.
        var isHeader = caller.StartsWith('=') && random.Next(2) == 0;
        var isPath = !isHeader && (body is null || random.Next(4) == 0);
        var uri = FuzzUri.Make(Numbered(path, number), isPath, random);
        if (uri[0] != '/') uri = $"/_matrix/client/{s_versions[random.Next(s_versions.Length)]}/{uri}";
        return new ClientInput(
            number, endpoint, method, uri, caller.StartsWith('=') ? FuzzUri.MakeHeader(caller, isHeader, random) : caller.Length > 0 ? caller : null,
            body is null ? null : Body(body, number, random));
    }

    private static PeerInput Peer(long number, Random random)
    {
        var (_, method, path, body) = Pick(FuzzTemplates.Peer, template => template.Weight, random);
        var uri = "/_matrix/federation/v1/" + FuzzUri.Make(Numbered(path, number), body is null || random.Next(5) == 0, random);
        var endpoint = $"{method} federation/{Endpoint(path)}";
        if (random.Next(12) == 0)
        {
            var header = FuzzUri.MakeHeader("""X-Matrix origin="«hs2.localhost»",destination="«hs1.localhost»",key="«ed25519:peer»",sig="«AAAA»" """, true, random);
            return new PeerInput(number, endpoint, method, uri, body is null ? null : Encoding.UTF8.GetBytes(Numbered(body, number)), null, header);
        }

        if (body is null) return new PeerInput(number, endpoint, method, uri, null, null, null);

        var json = Mutation.Of(Template(body, number), random);
        var bytes = FuzzBody.Bytes(json, random);
        if (random.Next(10) == 0) bytes = Damage.To(bytes, random);
        return new PeerInput(number, endpoint, method, uri, bytes, FuzzBody.Canonical(json), null);
    }

    private static EduInput Edu(long number, Random random)
    {
        var (_, template) = Pick(FuzzTemplates.Edus, template => template.Weight, random);
        var type = template.Split('"')[3];
        var edu = Mutation.Of(Template(template, number), random);
        return new EduInput(number, $"EDU {type}", FuzzBody.Text(edu, random), FuzzBody.Canonical(edu), edu.HasCanonicalForm);
    }

    private static AnswerInput Answer(long number, Random random)
    {
        var (_, endpoint, template) = Pick(FuzzTemplates.Answers, template => template.Weight, random);
        return new AnswerInput(number, $"answer of {endpoint}", Body(template, number, random));
    }

    private static byte[] Body(string template, long number, Random random)
    {
        var bytes = FuzzBody.Bytes(Mutation.Of(Template(template, number), random), random);
        return random.Next(12) == 0 ? Damage.To(bytes, random) : bytes;
    }

    private static JsonTree Template(string template, long number) =>
        template == "query" ? JsonTree.Parse(FuzzKeys.QueryAnswer(Numbered("@n#:hs2.localhost", number)).ToJsonString())
        : s_special.TryGetValue(template, out var special) ? special
        : JsonTree.Parse(Numbered(FuzzTemplates.Filled(template), number));

    private static string Numbered(string template, long number) => template.Replace("#", number.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);

    // The path of the template, without its examples and its query.
    private static string Endpoint(string path) =>
        string.Join("{…}", path.Split('?')[0].Split('«', '»').Where((_, i) => i % 2 == 0));

    private static T Pick<T>(IReadOnlyList<T> all, Func<T, int> weight, Random random)
    {
        var left = random.Next(all.Sum(weight));
        return all.First(one => (left -= weight(one)) < 0);
    }
}
