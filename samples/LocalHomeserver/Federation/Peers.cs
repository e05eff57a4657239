namespace LocalHomeserver;

/// <summary>The servers that this one talks to: <c>--Federation:Peers:hs2.localhost http://127.0.0.1:8009</c>.</summary>
internal static class Peers
{
    public static Dictionary<string, Uri> Read(IConfiguration configuration, string serverName)
    {
        var peers = new Dictionary<string, Uri>();
        var section = configuration.GetSection("Federation:Peers");
        if (section.Value is not null) throw NoName("Federation:Peers");

        // A server name with a port is a key with a colon in it, which configuration takes for a path: this puts it together again.
        foreach (var (peer, url) in section.AsEnumerable(makePathsRelative: true))
        {
            if (url is null) continue;
            var setting = $"Federation:Peers:{peer}";
            if (!Settings.IsServerName(peer)) throw NoName(setting);
            if (peer == serverName) throw new SettingsException($"{setting} is this server itself.");

            // Peers verify the path that this server asks for: one in front of it could not be verified.
            if (!Uri.TryCreate(url, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https")
                || address.PathAndQuery != "/" || address.Fragment.Length > 0 || address.UserInfo.Length > 0)
            {
                throw new SettingsException($"{setting} is '{url}'. It must be an address without a path, such as http://127.0.0.1:8009.");
            }

            peers.Add(peer, address);
        }

        return peers;
    }

    private static SettingsException NoName(string setting) =>
        new($"{setting} must name a server, as in --Federation:Peers:hs2.localhost http://127.0.0.1:8009.");
}
