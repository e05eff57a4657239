using System.Reflection;
using System.Xml.Linq;

namespace Matrix.ToDevice.Tests;

/// <summary>What is documented is what others can see: no more, and no less.</summary>
internal sealed class DocumentationTests
{
    private PackedAssemblies _assemblies = null!;

    private static IEnumerable<Package> Libraries => Packed.Packages.Where(package => package.IsLibrary);

    [OneTimeSetUp]
    public async Task LoadAsync() => _assemblies = new PackedAssemblies((await App.Server).Output);

    [Test]
    public void Every_documented_member_is_visible_outside()
    {
        foreach (var package in Libraries) Assert.That(Documented(package).Except(Visible(package)), Is.Empty, package.Id);
    }

    [Test]
    public void Every_visible_member_is_documented()
    {
        foreach (var package in Libraries) Assert.That(Written(package).Except(Documented(package)), Is.Empty, package.Id);
    }

    [Test]
    public void No_comment_sends_its_reader_to_what_is_not_visible()
    {
        var visible = Libraries.SelectMany(Visible).ToHashSet();
        foreach (var package in Libraries)
        {
            var ours = Comments(package).Descendants().Attributes("cref").Select(cref => cref.Value)
                .Where(name => name[2..].StartsWith("Matrix.ToDevice.", StringComparison.Ordinal) || name.StartsWith('!'));
            Assert.That(ours.Except(visible), Is.Empty, package.Id);
        }
    }

    private static XDocument Comments(Package package) => XDocument.Parse(package.Text(package.Library("xml")));

    private static List<string> Documented(Package package) =>
        [.. Comments(package).Descendants("member").Select(member => member.Attribute("name")!.Value)];

    private IEnumerable<string> Visible(Package package) =>
        _assemblies.Load(package).GetExportedTypes().SelectMany(type => (IEnumerable<MemberInfo>)[type, .. VisibleMembers(type)])
            .Select(DocumentationId.Of);

    /// <summary>Those for which somebody wrote a comment: neither what the compiler makes of a record, nor what is inherited.</summary>
    private IEnumerable<string> Written(Package package) => Visible(package).Where(name => name.StartsWith("T:", StringComparison.Ordinal))
        .Concat(_assemblies.Load(package).GetExportedTypes().Where(type => !IsRecord(type)).SelectMany(VisibleMembers)
            .Where(member => member is not (ConstructorInfo or MethodInfo { IsSpecialName: true }) && !IsOverride(member) && member.Name != "value__")
            .Where(member => !typeof(Delegate).IsAssignableFrom(member.DeclaringType))
            .Select(DocumentationId.Of));

    private static IEnumerable<MemberInfo> VisibleMembers(Type type) =>
        type.GetMembers(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly)
            .Where(IsVisible);

    private static bool IsVisible(MemberInfo member) => member switch
    {
        MethodBase method => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly,
        FieldInfo field => field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly,
        PropertyInfo property => property.GetAccessors(nonPublic: true).Any(IsVisible),
        EventInfo one => IsVisible(one.AddMethod!),
        _ => false,
    };

    private static bool IsOverride(MemberInfo member) =>
        (member as MethodInfo ?? (member as PropertyInfo)?.GetMethod) is { } method && method.GetBaseDefinition().DeclaringType != method.DeclaringType;

    private static bool IsRecord(Type type) =>
        type.GetMethods(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance).Any(method => method.Name is "<Clone>$" or "PrintMembers");
}
