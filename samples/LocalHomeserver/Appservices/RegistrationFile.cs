using Matrix.ToDevice;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace LocalHomeserver;

/// <summary>A registration file: YAML, as the Application Service API describes it.</summary>
internal static class RegistrationFile
{
    /// <summary>Reads the files of <c>--Appservices:0 irc.yaml --Appservices:1 …</c>.</summary>
    public static List<Registration> ReadAll(IConfiguration configuration, string serverName)
    {
        List<Registration> registrations = [];
        foreach (var setting in configuration.GetSection("Appservices").GetChildren())
        {
            var read = Read(setting.Path, setting.Value ?? "", serverName);
            if (registrations.Exists(other => other.Appservice.Id == read.Appservice.Id || other.AsToken == read.AsToken))
                throw Wrong(setting.Path, setting.Value, "another appservice has its id or its as_token");
            registrations.Add(read);
        }

        return registrations;
    }

    private static Registration Read(string setting, string path, string serverName)
    {
        try
        {
            using var file = File.OpenText(path);
            var yaml = new YamlStream();
            yaml.Load(file);
            return yaml.Documents is [{ RootNode: YamlMappingNode root }]
                ? Read(root, serverName)
                : throw new FormatException("it is not one YAML mapping");
        }
        catch (Exception e)
        {
            // Whatever a reader of YAML has against it, too.
            throw Wrong(setting, path, e.Message);
        }
    }

    private static Registration Read(YamlMappingNode root, string serverName)
    {
        Uri? url = null;
        if (Text(root, "url") is { } address && (!Uri.TryCreate(address, UriKind.Absolute, out url) || url.Scheme is not ("http" or "https")))
            throw new FormatException($"its url is '{address}', which is no address");

        var sender = $"@{Required(root, "sender_localpart")}:{serverName}";
        var appservice = new Appservice(Required(root, "id"), sender, Users(root)) { ReceivesToDevice = url is not null };
        return new Registration(
            appservice, url, Required(root, "as_token"), Required(root, "hs_token"),
            IsTrue(root, "device_management") || IsTrue(root, "io.element.msc4190"));
    }

    private static IEnumerable<AppserviceNamespace> Users(YamlMappingNode root)
    {
        if (Find(root, "namespaces") is not YamlMappingNode namespaces) throw new FormatException("it has no namespaces");
        return Find(namespaces, "users") switch
        {
            null => [],
            YamlSequenceNode users => users.Select(user => user is YamlMappingNode entry
                ? new AppserviceNamespace(Required(entry, "regex"), IsTrue(entry, "exclusive"))
                : throw new FormatException("one of its namespaces.users is no mapping")),
            _ => throw new FormatException("its namespaces.users are no list"),
        };
    }

    private static bool IsTrue(YamlMappingNode node, string key) => Text(node, key) switch
    {
        "true" => true,
        null or "false" => false,
        var other => throw new FormatException($"its {key} is '{other}', which is neither true nor false"),
    };

    private static string Required(YamlMappingNode node, string key) =>
        Text(node, key) is { Length: > 0 } text ? text : throw new FormatException($"it has no {key}");

    /// <summary>A plain <c>null</c> is none.</summary>
    private static string? Text(YamlMappingNode node, string key) => Find(node, key) switch
    {
        null => null,
        YamlScalarNode { Style: ScalarStyle.Plain, Value: null or "" or "~" or "null" } => null,
        YamlScalarNode { Value: var text } => text,
        _ => throw new FormatException($"its {key} is no text"),
    };

    private static YamlNode? Find(YamlMappingNode node, string key) =>
        node.Children.TryGetValue(new YamlScalarNode(key), out var found) ? found : null;

    private static SettingsException Wrong(string setting, string? path, string problem) =>
        new($"{setting} is '{path}'. It must be an appservice's registration file: {problem}");
}
