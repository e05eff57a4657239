using System.Xml.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

// PublicDocs FILE REFERENCES: leaves in a file of documentation comments what others can see of its assembly. REFERENCES names
// a file that lists this assembly first, and then what it was compiled against.
var file = args[0];
var references = File.ReadAllLines(args[1]).Select(path => MetadataReference.CreateFromFile(path)).ToArray();
var compilation = CSharpCompilation.Create("Docs", references: references);
var ours = compilation.GetAssemblyOrModuleSymbol(references[0]);

var document = XDocument.Load(file, LoadOptions.PreserveWhitespace);
foreach (var member in document.Descendants("member").ToList())
{
    var symbols = DocumentationCommentId.GetSymbolsForDeclarationId(member.Attribute("name")!.Value, compilation);
    if (symbols.Any(symbol => SymbolEqualityComparer.Default.Equals(symbol.ContainingAssembly, ours) && IsVisible(symbol))) continue;

    if (member.PreviousNode is XText indent) indent.Remove();
    member.Remove();
}

// Whole or not at all, and the same bytes on every system.
var text = document.ToString(SaveOptions.DisableFormatting).ReplaceLineEndings("\n").Trim();
File.WriteAllText(file + ".public", $"<?xml version=\"1.0\"?>\n{text}\n");
File.Move(file + ".public", file, overwrite: true);

static bool IsVisible(ISymbol? symbol) => symbol is null or INamespaceSymbol ||
    (symbol.DeclaredAccessibility is Accessibility.Public or Accessibility.Protected or Accessibility.ProtectedOrInternal &&
        IsVisible(symbol.ContainingSymbol));
