using YamlDotNet.RepresentationModel;

namespace Release;

/// <summary>A workflow file, as far as the tests look at it.</summary>
internal sealed record Workflow(string File, YamlMappingNode Root)
{
    public static IReadOnlyList<Workflow> All { get; } =
        [.. Directory.GetFiles(Repository.PathOf(".github/workflows")).Order().Select(file => new Workflow(Path.GetFileName(file), Yaml.Read(file)))];

    public static Workflow Release { get; } = All.Single(workflow => workflow.File == "release.yml");

    public IReadOnlyDictionary<string, string> Env => Root.Texts("env");

    public IReadOnlyList<Job> Jobs { get; } = [.. Root.Map("jobs")!.Children.Select(job => new Job(File, (string)job.Key!, (YamlMappingNode)job.Value))];

    public override string ToString() => File;
}

internal sealed record Job(string File, string Id, YamlMappingNode Node)
{
    public IReadOnlyDictionary<string, string> Permissions => Node.Texts("permissions");

    public IReadOnlyList<string> Needs => Node.List("needs");

    public IReadOnlyList<Step> Steps { get; } =
        [.. ((YamlSequenceNode)Node.Children["steps"]).Children.Select(step => new Step(File, (YamlMappingNode)step))];

    public override string ToString() => $"{File}, {Id}";
}

internal sealed record Step(string File, YamlMappingNode Node)
{
    public string? Id => Node.Text("id");

    public string? Uses => Node.Text("uses");

    /// <summary>The action without its version.</summary>
    public string? Action => Uses?.Split('@')[0];

    public string? Run => Node.Text("run");

    public IReadOnlyDictionary<string, string> With => Node.Texts("with");

    public IReadOnlyDictionary<string, string> Env => Node.Texts("env");

    public override string ToString() => $"{File}, {Node.Text("name") ?? Uses}";
}

internal static class Yaml
{
    public static YamlMappingNode Read(string file)
    {
        using var reader = new StreamReader(file);
        var stream = new YamlStream();
        stream.Load(reader);
        return (YamlMappingNode)stream.Documents.Single().RootNode;
    }

    public static YamlMappingNode? Map(this YamlMappingNode node, string key) => node.Children.TryGetValue(key, out var value) ? (YamlMappingNode)value : null;

    public static string? Text(this YamlMappingNode node, string key) =>
        node.Children.TryGetValue(key, out var value) ? ((YamlScalarNode)value).Value : null;

    public static IReadOnlyDictionary<string, string> Texts(this YamlMappingNode node, string key) =>
        node.Map(key)?.Children.ToDictionary(pair => (string)pair.Key!, pair => (string)pair.Value!) ?? [];

    /// <summary>A text stands for a list of one.</summary>
    public static IReadOnlyList<string> List(this YamlMappingNode node, string key) => !node.Children.TryGetValue(key, out var value) ? []
        : value is YamlSequenceNode list ? [.. list.Children.Select(item => (string)item!)] : [(string)value!];
}
