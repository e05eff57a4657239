namespace Matrix.ToDevice;

/// <summary>All sections that the module's options are bound from, to tell the key of an option that is wrong.</summary>
internal sealed class BoundSections(IEnumerable<BoundSection> sections)
{
    private readonly BoundSection[] _sections = [.. sections];

    public IEnumerable<string> UnknownKeys => _sections.SelectMany(section => section.UnknownKeys());

    /// <summary>Names an option's key behind it, if it is set in one.</summary>
    /// <param name="part">The section within the module's; empty for the module's own options.</param>
    public Func<string, string?> KeysOf(string part = "") =>
        option => _sections.Select(section => section.KeyOf(part.Length == 0 ? option : $"{part}.{option}")).FirstOrDefault(key => key is not null);
}
