// Reads what is deployed as the real tools do, and prints it as JSON.
//
//	deployed compose FILE [PROFILE…]  loads a compose file: its schema, interpolation, references
//	deployed kustomize FOLDER         builds manifests, and decodes each strictly into Kubernetes' own types
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

func compose(file string, profiles []string) (any, error) {
	options, err := cli.NewProjectOptions(
		[]string{file}, cli.WithOsEnv, cli.WithProfiles(profiles), cli.WithInterpolation(true), cli.WithName("daira"))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}

func kustomize(folder string) (any, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return nil, err
	}
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	manifests := []any{}
	for _, resource := range built.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			return nil, err
		}
		if _, _, err := strict.Decode(text, nil, nil); err != nil {
			return nil, fmt.Errorf("%s: %w", resource.CurId(), err)
		}
		manifest, err := resource.Map()
		if err != nil {
			return nil, err
		}
		manifests = append(manifests, manifest)
	}
	return manifests, nil
}

func main() {
	read := map[string]func() (any, error){
		"compose":   func() (any, error) { return compose(os.Args[2], os.Args[3:]) },
		"kustomize": func() (any, error) { return kustomize(os.Args[2]) },
	}
	content, err := read[os.Args[1]]()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(content)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
